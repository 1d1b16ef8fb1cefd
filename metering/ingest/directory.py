"""From the names in events to the small numbers in tables, remembered by each process between transactions.

Names are only ever added, so what is remembered stays true; only a rolled back transaction makes it forget.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from django.db import connection
from django.db.models import Model

from metering.catalogue.models import LanguageModel
from metering.ingest.models import Provider, ServiceTier
from workspaces.models import APIKey

EXISTING_MONTHS = """
SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'metering_usageevent'::regclass AND relname = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """A key as events need it: its number, its workspace's, and whether usage may be booked on it."""

    key_id: int
    workspace_id: int
    may_have_usage: bool


@dataclass(slots=True)
class Directory:
    """What one process remembers."""

    keys: dict[str, KeyOwner] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    tiers: dict[str, int] = field(default_factory=dict)
    providers: dict[str, int] = field(default_factory=dict)
    months: set[tuple[int, int]] = field(default_factory=set)
    days: set[date] = field(default_factory=set)

    def forget(self) -> None:
        for remembered in (self.keys, self.models, self.tiers, self.providers, self.months, self.days):
            remembered.clear()

    def find_keys(self, public_ids: set[str]) -> dict[str, KeyOwner]:
        """The owners of those ids that are keys, whether in use, expired or revoked: the usage happened."""
        unknown = public_ids - self.keys.keys()
        if unknown:
            rows = APIKey.objects.filter(public_id__in=unknown).values_list("public_id", "id", "workspace_id", "kind")
            for public_id, key_id, workspace_id, kind in rows:
                self.keys[public_id] = KeyOwner(key_id, workspace_id, kind != APIKey.Kind.ADMIN)
        return self.keys

    def number_models(self, slugs: set[str]) -> dict[str, int]:
        """The numbers of models by name; a name never seen gets a row as discovered, so that its events have one."""
        return _number(self.models, slugs, LanguageModel, "slug", status=LanguageModel.Status.DISCOVERED)

    def number_tiers(self, names: set[str]) -> dict[str, int]:
        return _number(self.tiers, names, ServiceTier, "name")

    def number_providers(self, names: set[str]) -> dict[str, int]:
        return _number(self.providers, names, Provider, "name")

    def missing_months(self, months: set[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those (year, month) that have no partition for events."""
        unknown = months - self.months
        if unknown:
            names = {f"metering_usageevent_{year:04}_{month:02}": (year, month) for year, month in unknown}
            with connection.cursor() as cursor:
                cursor.execute(EXISTING_MONTHS, [list(names)])
                self.months |= {names[name] for (name,) in cursor.fetchall()}
        return unknown - self.months

    def ensure_months(self, months: set[tuple[int, int]]) -> None:
        """A partition for each (year, month). Not inside a transaction that writes events: see recording/months.py."""
        for year, month in sorted(months - self.months):
            with connection.cursor() as cursor:
                cursor.execute("SELECT metering_ensure_month(make_timestamptz(%s, %s, 1, 0, 0, 0, 'UTC'))", [year, month])
            self.months.add((year, month))

    def ensure_day(self, now: datetime) -> None:
        """The inbox's partition for what is received now."""
        day = now.astimezone(UTC).date()
        if day not in self.days:
            with connection.cursor() as cursor:
                cursor.execute("SELECT metering_ensure_day(%s)", [now])
            self.days.add(day)


def _number(known: dict[str, int], names: set[str], table: type[Model], column: str, **extra: str) -> dict[str, int]:
    unknown = sorted(names - known.keys())
    if unknown:
        rows = table._default_manager.filter(**{f"{column}__in": unknown})
        known.update(rows.values_list(column, "id"))
        # In one order for every worker, so that two that discover the same names cannot wait for each other.
        new = [table(**{column: name}, **extra) for name in unknown if name not in known]
        if new:
            table._default_manager.bulk_create(new, ignore_conflicts=True)
            known.update(rows.values_list(column, "id"))
    return known


directory = Directory()
