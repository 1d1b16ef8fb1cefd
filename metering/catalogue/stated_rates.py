"""The rates that a version says itself, ours or a provider's: those with columns and the open ones, in one."""

from decimal import Decimal
from typing import Any

from metering.components import own_rates
from metering.money import rate_text


def described_rates(version: Any) -> dict[str, str | None]:
    """As text, by component; None for one of the four that it has not."""
    return {**{name: rate_text(rate) for name, rate in own_rates(version).items()}, **version.open_rates}


def stated_rates(version: Any) -> dict[str, Decimal]:
    """By component, without those that it has not."""
    return {name: Decimal(rate) for name, rate in described_rates(version).items() if rate is not None}
