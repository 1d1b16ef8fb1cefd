"""Columns of money and usage, beside those of `workspaces.migrations._columns`."""

from decimal import Decimal
from typing import Any

from django.core.validators import MinValueValidator
from django.db import models


def cents(**extra: Any) -> Any:
    """An amount that is shown and paid: whole cents."""
    return models.DecimalField(decimal_places=2, max_digits=20, **extra)


def cents_from_zero() -> Any:
    return cents(default=Decimal("0.00"))


def exact_usd(digits: int = 38, **extra: Any) -> Any:
    """USD to the pico-dollar."""
    return models.DecimalField(decimal_places=12, max_digits=digits, **extra)


def rate(**extra: Any) -> Any:
    """USD per million tokens."""
    return models.DecimalField(decimal_places=6, max_digits=16, validators=[MinValueValidator(Decimal("0"))], **extra)


def event_status() -> Any:
    return models.SmallIntegerField(choices=[(0, "succeeded"), (1, "aborted"), (2, "failed"), (3, "voided")])


def usage_source() -> Any:
    return models.SmallIntegerField(choices=[(0, "provider"), (1, "estimated")])
