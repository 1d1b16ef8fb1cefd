"""Which forms of the console were sent: each acts once, in whichever process it arrives."""

from datetime import datetime, timedelta

from workspaces.console.kit.models import SentForm

# How long an open form may wait for its person.
LIVES = timedelta(days=7)


def accept_once(token: str, now: datetime) -> bool:
    """True for the first. The insert is committed by itself, so that the next request finds it, however soon it comes."""
    _, first = SentForm.objects.get_or_create(token=token, defaults={"sent_at": now})
    return first


def forget_old(now: datetime) -> int:
    """Drops those that are out of date anyway, and returns how many."""
    return SentForm.objects.filter(sent_at__lt=now - LIVES - timedelta(days=1)).delete()[0]
