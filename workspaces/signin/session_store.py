"""Sessions in the database, as Django has them, but for two things: what is no key of ours is not looked up, and a session
ends `SESSION_HOURS` after its sign-in, however much it is used."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends import db
from django.utils import timezone

SIGNED_IN_AT = "signed_in_at"


class SessionStore(db.SessionStore):
    """Django asks the database for any text in the cookie, and PostgreSQL ends a question about a NUL with an error."""

    def _validate_session_key(self, key: str | None) -> bool:
        return key is not None and len(key) >= 8 and key.isascii() and key.isalnum()

    def note_sign_in(self, now: datetime) -> None:
        """From now on this session's end is fixed."""
        self[SIGNED_IN_AT] = int(now.timestamp())

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        """Of the row: Django reads no row after this date."""
        usual, end = super().get_expiry_date(**kwargs), self._end()
        return usual if end is None else min(usual, end)

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Of the cookie, in seconds."""
        usual, end = super().get_expiry_age(**kwargs), self._end()
        return usual if end is None else max(0, min(usual, int((end - timezone.now()).total_seconds())))

    def _end(self) -> datetime | None:
        """When a signed-in session ends; None before the sign-in."""
        at = self.get(SIGNED_IN_AT)
        if at is None:
            return None
        return datetime.fromtimestamp(at, tz=timezone.get_default_timezone()) + timedelta(hours=settings.SESSION_HOURS)
