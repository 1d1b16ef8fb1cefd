"""The product against the oracle: events, their trails, rollups, what batches came to, and the answers of the usage API."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

from django.core.management import call_command
from rest_framework.test import APIClient

from metering.ingest.models import Batch, EventCorrection, UsageEvent
from metering.rollups.models import DailyQuantity, DailyRollup, HourlyQuantity, HourlyRollup
from tests.exactness.facts import Recorded, State
from tests.exactness.history import BEGINNING, Look, Operation
from tests.exactness.oracle import Oracle
from tests.exactness.product import Product
from tests.exactness.reading import Tokens
from tests.scenarios.oracle import Rated, exact, grouped
from workspaces.keys import issue
from workspaces.models import Workspace

GROUPS = ["model", "key_id", "service_tier", "provider", "status"]
TOKENS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
NOTHING_USED = {
    "requests": 0,
    **dict.fromkeys(TOKENS, 0),
    "unpriced_requests": 0,
    "components": [],
    "cost": exact(Decimal(0)),
    "currency": "USD",
}
ROLLUP = ("model__slug", "key_id", "service_tier__name", "provider__name", "status", "price_id")
STATUSES = ("succeeded", "aborted", "failed", "voided")
START, END = datetime(2028, 1, 1, tzinfo=UTC), BEGINNING + timedelta(days=60)

Row = tuple[Any, ...]


class Both:
    """One history given to both."""

    made = 0

    def __init__(self, suffix: str = "") -> None:
        Both.made += 1
        self.product, self.oracle = Product(suffix), Oracle()
        self.clients = [client_of(workspace) for workspace in self.product.workspaces]

    def play(self, operations: Iterable[Operation]) -> None:
        for operation in operations:
            if isinstance(operation, Look):
                self.check()
            else:
                self.do(operation)

    def do(self, operation: Operation) -> None:
        expected, found = self.oracle.do(operation), self.product.do(operation)
        if isinstance(expected, str):  # a price: each side has its own name for it
            assert found is not None, "set by the oracle only"
            found = self.product.prices.setdefault(expected, found) == found
            expected = True
        if not isinstance(found, Batch):
            assert found == expected, operation

    def check(self) -> None:
        """Everything, to the last digit."""
        self.check_state()
        assert self.product_trails() == self.oracle_trails()
        assert self.product_batches() == [dict(each.outcomes) if each.taken_up else None for each in self.oracle.batches]

    def check_state(self) -> None:
        """Whatever does not tell how it came about."""
        assert self.product_events() == {self.identity(each): self.event(each) for each in self.oracle.recorded.values()}
        for model, start in ((HourlyRollup, floor_hour), (DailyRollup, floor_day)):
            assert self.product_rollup(model) == self.oracle_rollup(start)
        for table, start in ((HourlyQuantity, floor_hour), (DailyQuantity, floor_day)):
            assert self.product_quantities(table) == self.oracle_quantities(start)
        for tenant in range(len(self.clients)):
            self.check_usage(tenant)
        assert reconciled() == []

    # Events

    def identity(self, each: Recorded) -> Row:
        event = each.event
        return self.product.workspaces[event.tenant].pk, event.request_id, event.attempt

    def event(self, each: Recorded) -> Row:
        event, at = each.event, each.event.at.astimezone(UTC)
        names = (self.product.named(event.model), event.tier, event.provider, self.product.keys[each.key].pk, at)
        return names, self.state(each.state)

    def state(self, state: State) -> Row:
        """As the product has it: the price by its own number, tokens as its tables count them."""
        price = None if state.price is None else self.product.prices[state.price].pk
        return (
            state.tier,
            state.status,
            state.source,
            counts(state.tokens),
            dict(state.tokens.others) or None,
            price,
            state.cost,
        )

    def product_events(self) -> dict[Row, Row]:
        rows = UsageEvent.objects.filter(workspace__in=self.product.workspaces)
        rows = rows.select_related("model", "service_tier", "provider")
        return {
            (row.workspace_id, row.request_id, row.attempt): (
                (row.model.slug, row.service_tier.name, row.provider.name, row.key_id, row.occurred_at),
                (
                    row.service_tier.name,
                    row.get_status_display(),
                    row.get_usage_source_display(),
                    tuple(getattr(row, name) for name in TOKENS),
                    row.others,
                    row.price_id,
                    row.cost,
                ),
            )
            for row in rows
        }

    def product_trails(self) -> dict[Row, list[Row]]:
        trails: dict[Row, list[Row]] = {}
        for row in (
            EventCorrection.objects.filter(workspace__in=self.product.workspaces)
            .select_related("before_tier", "after_tier")
            .order_by("id")
        ):
            before, after = (trail_state(row, name) for name in ("before", "after"))
            entry = (row.action, row.took_effect, before, after)
            trails.setdefault((row.workspace_id, row.request_id, row.attempt), []).append(entry)
        return trails

    def oracle_trails(self) -> dict[Row, list[Row]]:
        return {
            self.identity(each): [
                (change.action, change.took_effect, self.state(change.before), self.state(change.after))
                for change in each.trail
            ]
            for each in self.oracle.recorded.values()
            if each.trail
        }

    def product_batches(self) -> list[dict[int, tuple[str, str]] | None]:
        """By batch what became of each part; the endpoint's reasons are left out, and counts must agree with it."""
        found: list[dict[int, tuple[str, str]] | None] = []
        for batch in Batch.objects.filter(gateway=self.product.gateway).order_by("id"):
            if batch.status == "pending":
                found.append(None)
                continue
            parts = dict.fromkeys(range(batch.event_count), ("recorded", ""))
            for item in batch.items:
                known = item["outcome"] != "rejected" or item["code"] in ("unknown_event", "wrong_key")
                parts[item["index"]] = (item["outcome"], item["code"] if known else "")
            for outcome in ("recorded", "duplicate", "conflict", "unpriced", "rejected"):
                assert getattr(batch, outcome) == sum(part[0] == outcome for part in parts.values())
            found.append(parts)
        return found

    # Rollups

    def counted(self) -> list[Rated]:
        return [each.rated for each in self.oracle.recorded.values() if each.event.status != "voided"]

    def oracle_rollup(self, start: Callable[[datetime], datetime]) -> dict[Row, Row]:
        found = grouped(self.counted(), lambda rated: self.rollup_key(rated, start))
        return {key: (*(sums.counts[name] for name in ("requests", *TOKENS)), sums.cost) for key, sums in found.items()}

    def rollup_key(self, rated: Rated, start: Callable[[datetime], datetime]) -> Row:
        event, price = rated.event, rated.price
        number = 0 if price is None else self.product.prices[price.price_id].pk
        names = (self.product.named(event.model), self.product.keys[int(event.key_id)].pk, event.tier, event.provider)
        return (self.product.workspaces[event.tenant].pk, start(event.at), *names, event.status, number)

    def product_rollup(self, model: Any) -> dict[Row, Row]:
        start = "hour" if model is HourlyRollup else "day"
        rows = model.objects.filter(workspace__in=self.product.workspaces)
        found = rows.values_list("workspace_id", start, *ROLLUP, "requests", *TOKENS, "cost")
        return {(*row[:6], STATUSES[row[6]], row[7]): row[8:] for row in found}

    def oracle_quantities(self, start: Callable[[datetime], datetime]) -> dict[Row, int]:
        found = grouped(self.counted(), lambda rated: self.rollup_key(rated, start))
        return {(*key, name): used for key, sums in found.items() for name, used in sums.others.items() if used}

    def product_quantities(self, model: Any) -> dict[Row, int]:
        start = "hour" if model is HourlyQuantity else "day"
        rows = model.objects.filter(workspace__in=self.product.workspaces)
        found = rows.values_list("workspace_id", start, *ROLLUP, "component", "quantity")
        return {(*row[:6], STATUSES[row[6]], *row[7:9]): row[9] for row in found}

    # The usage API

    def check_usage(self, tenant: int) -> None:
        rated = [each for each in self.counted() if each.event.tenant == tenant]
        total = shown(rated)
        for bucket, start in BUCKETS.items():
            answer = self.ask(tenant, "/api/v1/usage", bucket=bucket, group_by=GROUPS)
            assert sums_of(answer["total"]) == total
            found = {(*row_start(row, bucket), *(row[name] for name in GROUPS)): sums_of(row) for row in answer["data"]}
            assert len(found) == len(answer["data"])
            assert found == self.expected_rows(rated, start)
        listed = self.ask(tenant, "/api/v1/usage/events", status=STATUSES[:3], limit=1_000)["data"]
        assert sorted(self.listed(each) for each in listed) == sorted(self.expected_in_list(tenant))

    def expected_rows(self, rated: Iterable[Rated], start: Callable[[datetime], Row]) -> dict[Row, dict[str, Any]]:
        by_group = grouped(rated, lambda each: (*start(each.event.at), *self.groups(each)))
        return {key: NOTHING_USED | sums.shown() for key, sums in by_group.items()}

    def groups(self, rated: Rated) -> Row:
        event = rated.event
        key_id = self.product.key_ids[int(event.key_id)]
        return self.product.named(event.model), key_id, event.tier, event.provider, event.status

    def ask(self, tenant: int, path: str, **query: Any) -> Any:
        answer = self.clients[tenant].get(path, {"start": START.isoformat(), "end": END.isoformat()} | query)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def listed(self, row: dict[str, Any]) -> Row:
        return row["request_id"], row["attempt"], row["price_id"] or "", row["cost"] or "", row["status"], row["usage_source"]

    def expected_in_list(self, tenant: int) -> list[Row]:
        found = []
        for each in self.oracle.recorded.values():
            event, cost = each.event, "" if each.cost is None else exact(each.cost)
            price = "" if each.price is None else self.product.prices[each.price.price_id].public_id
            if event.tenant == tenant and event.status != "voided":
                found.append((event.request_id, event.attempt, price, cost, event.status, each.source))
        return found


def floor_hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def floor_day(at: datetime) -> datetime:
    return floor_hour(at).replace(hour=0)


BUCKETS: dict[str, Callable[[datetime], Row]] = {
    "hour": lambda at: (floor_hour(at),),
    "day": lambda at: (floor_day(at),),
    "month": lambda at: (floor_day(at).replace(day=1),),
    "none": lambda at: (),
}


def row_start(row: dict[str, Any], bucket: str) -> Row:
    """What a row is about; the first month's row begins where the question does."""
    return () if bucket == "none" else BUCKETS[bucket](datetime.fromisoformat(row["start"]))


def sums_of(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in NOTHING_USED}


def shown(rated: Iterable[Rated]) -> dict[str, Any]:
    sums = grouped(rated, lambda each: None)
    return NOTHING_USED | (sums[None].shown() if sums else {})


def counts(tokens: Tokens) -> Row:
    """As tables have them, where cached and written tokens are parts of the input."""
    return (sum(tokens[:3]), *tokens[1:5])


def trail_state(row: EventCorrection, name: str) -> Row:
    status, source, tokens, others, price, cost = (
        getattr(row, f"{name}_{column}") for column in ("status", "source", "tokens", "others", "price_id", "cost")
    )
    return (
        getattr(row, f"{name}_tier").name,
        STATUSES[status],
        ("provider", "estimated")[source],
        tuple(tokens),
        others,
        price,
        cost,
    )


def client_of(workspace: Workspace) -> APIClient:
    _, secret = issue.create_key(workspace, "admin", "Back office", "a test", BEGINNING)
    return APIClient(headers={"authorization": f"Bearer {secret}"})


def reconciled() -> list[Any]:
    """What `manage.py reconcile` finds to differ."""
    out = StringIO()
    with suppress(SystemExit):
        call_command("reconcile", stdout=out, stderr=StringIO())
    found = json.loads(out.getvalue())
    assert found["ok"] == (not found["differences"])
    return found["differences"]
