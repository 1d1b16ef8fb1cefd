"""What the tests of alerts ask: what was announced, and which mails wait."""

from typing import Any

from metering.notifications.models import Notification
from metering.payments.mails.models import Notice


def announced(kind: str) -> list[dict[str, Any]]:
    """The data of what was announced of this type, oldest first."""
    return list(Notification.objects.filter(type=kind).order_by("pk").values_list("data", flat=True))


def mailed(kind: str) -> list[dict[str, str]]:
    """The contexts of mails of this kind, oldest first."""
    return list(Notice.objects.filter(kind=kind).order_by("pk").values_list("context", flat=True))
