"""Idempotency keys that move on.

A provider repeats an answer under the same key for a day, also a failure of its own. What it failed to make has not been made
once the request has had its time, so after some minutes the next key is used. An answer that was lost is no failure: under
the same key it is repeated.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from django.db.models import F

from metering.payments.provider.calls import FINISHES_WITHIN
from metering.payments.provider.errors import ProviderUnavailable
from metering.payments.provider.models import StripeKey

Made = TypeVar("Made")


def call_with_key(name: str, ask: Callable[[str], Made], now: datetime) -> Made:
    """What `ask` returns, which is given the key. Raises ProviderUnavailable; asking again later may succeed then."""
    key = _key_by_now(name, now)
    try:
        return ask(key)
    except ProviderUnavailable as error:
        if error.answered:
            _note_failure(name, key, now)
        raise


def failed_since(name: str) -> datetime | None:
    """When the provider first failed at it: what it made nevertheless was made about then. None where it never did."""
    return StripeKey.objects.filter(name=name).values_list("began_at", flat=True).first()


def _key_by_now(name: str, now: datetime) -> str:
    due = StripeKey.objects.filter(name=name, failed_at__lte=now - FINISHES_WITHIN)
    due.update(number=F("number") + 1, failed_at=None)
    key = StripeKey.objects.filter(name=name).first()
    return str(key) if key else name


def _note_failure(name: str, key: str, now: datetime) -> None:
    """Unless the key has moved on meanwhile."""
    noted, _ = StripeKey.objects.get_or_create(name=name, defaults={"began_at": now, "failed_at": now})
    if str(noted) == key:
        StripeKey.objects.filter(pk=noted.pk, number=noted.number, failed_at__isnull=True).update(failed_at=now)
