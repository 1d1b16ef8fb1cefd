"""Django's cache in PostgreSQL: what all web processes must agree on and a restart must not forget.

allauth counts failed sign-ins in the cache, and remembers there which codes were used. In each process's memory every
process had limits of its own, forgot the oldest of 300 entries, and everything at a restart. Redis of ours keeps nothing.
Django's own table cache counts all rows at each write, and drops some that are still valid when there are too many.
"""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from workspaces.models import SharedValue

# One statement, so that of two processes that add the same key only one is first.
ADD = """
INSERT INTO workspaces_sharedvalue AS present (key, value, expires_at) VALUES (%s, %s, %s)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
WHERE present.expires_at <= %s
RETURNING key
"""


class SharedCache(BaseCache):
    """Values are pickled, as in Django's other caches: only this program writes the table."""

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        found = _valid(timezone.now()).filter(key=self._key(key, version)).values_list("value", flat=True).first()
        return default if found is None else pickle.loads(bytes(found))  # noqa: S301

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        row = [self._key(key, version), pickle.dumps(value), self._expiry(timeout), timezone.now()]
        with connection.cursor() as cursor:
            cursor.execute(ADD, row)
            return cursor.fetchone() is not None

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        row = SharedValue(key=self._key(key, version), value=pickle.dumps(value), expires_at=self._expiry(timeout))
        SharedValue.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["key"], update_fields=["value", "expires_at"]
        )

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        present = _valid(timezone.now()).filter(key=self._key(key, version))
        return present.update(expires_at=self._expiry(timeout)) == 1

    def delete(self, key: str, version: int | None = None) -> bool:
        return SharedValue.objects.filter(key=self._key(key, version)).delete()[0] == 1

    def clear(self) -> None:
        SharedValue.objects.all().delete()

    def _key(self, key: str, version: int | None) -> str:
        return self.make_and_validate_key(key, version=version)

    def _expiry(self, timeout: Any) -> datetime | None:
        """Null means for ever, as a timeout of None does."""
        at = self.get_backend_timeout(timeout)
        return None if at is None else datetime.fromtimestamp(at, UTC)


def forget_expired(now: datetime) -> int:
    """Drops what is past its time, and returns how many."""
    return SharedValue.objects.filter(expires_at__lte=now).delete()[0]


def _valid(now: datetime) -> Any:
    return SharedValue.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now))
