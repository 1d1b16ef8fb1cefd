"""Holds what survived against the gateway's notes and an independent count: events, rollups, the usage API, `reconcile`."""

import json
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from tests.chaos.driver import Identity, Notes
from tests.chaos.instance import Instance
from tests.chaos.world import World
from tests.scenarios.oracle import Ledger, Rated, exact, grouped, summed

SECONDS_TO_SETTLE = 120
STATUSES = ("succeeded", "aborted", "failed")
NAMES = """
    LEFT JOIN workspaces_apikey key ON key.id = each.key_id
    LEFT JOIN metering_languagemodel model ON model.id = each.model_id
    LEFT JOIN metering_servicetier tier ON tier.id = each.service_tier_id
    LEFT JOIN metering_provider provider ON provider.id = each.provider_id
    LEFT JOIN metering_priceversion price ON price.id = each.price_id
"""
NAMED = "each.workspace_id, model.slug, key.public_id, tier.name, provider.name, each.status, price.public_id"
TOKENS = "input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens"
EVENTS = f"SELECT request_id, attempt, occurred_at, {NAMED}, {TOKENS}, each.cost FROM metering_usageevent each {NAMES}"
ROLLUPS = "SELECT {start}, {named}, requests, {tokens}, each.cost FROM {table} each {names}"


def wait_until_settled(instance: Instance) -> float:
    """Seconds until no batch waits. Nothing else is done for it: what was lost must come back by itself."""
    started = time.monotonic()
    while True:
        ((waiting,),) = instance.query("SELECT count(*) FROM metering_batch WHERE status = 'pending'")
        if not waiting:
            return time.monotonic() - started
        assert time.monotonic() - started < SECONDS_TO_SETTLE, f"{waiting} batches still wait"
        time.sleep(0.1)


def check_everything(instance: Instance, world: World, notes: Notes) -> dict[str, int]:
    """Asserts all of it, and says how many events there are and how many of them were never acknowledged."""
    found = check_events(instance, world, notes)
    ledger = Ledger([notes.sent[identity] for identity in found], world.prices)
    check_rollups(instance, world, ledger)
    check_usage(instance, world, ledger)
    check_reconciled(instance, ledger)
    assert instance.query("SELECT code, message FROM metering_quarantinedevent LIMIT 5") == []
    return {"recorded": len(found), "recorded_unacknowledged": len(found - notes.acknowledged)}


def check_events(instance: Instance, world: World, notes: Notes) -> set[Identity]:
    """Acknowledged ones exactly once, others at most once, each as it happened and with its exact cost."""
    numbers = {workspace: at for at, workspace in enumerate(world.workspaces)}
    rows = instance.query(EVENTS)
    found = {(numbers[row[3]], row[0], row[1]): row for row in rows}
    twice = len(rows) - len(found)
    lost = notes.acknowledged - found.keys()
    assert (twice, len(lost), sorted(lost)[:3]) == (0, 0, [])
    assert not found.keys() - notes.sent.keys()
    for rated in Ledger([notes.sent[identity] for identity in found], world.prices).everything():
        event, price, cost = rated
        row = found[event.identity]
        named = (event.model, event.key_id, event.tier, event.provider, STATUSES.index(event.status))
        tokens = (event.input, event.cached, event.cache_write, event.output, event.reasoning)
        assert row[2:] == (event.at, row[3], *named, price and price.price_id, *tokens, cost), event
    return set(found)


def check_rollups(instance: Instance, world: World, ledger: Ledger) -> None:
    """Every hour and every day, to the last digit, and not one too many."""
    for table, start, cut in (("metering_hourlyrollup", "hour", {}), ("metering_dailyrollup", "day", {"hour": 0})):
        statement = ROLLUPS.format(start=start, named=NAMED, tokens=TOKENS, table=table, names=NAMES)
        found = {tuple(row[:8]): row[8:] for row in instance.query(statement)}
        expected = grouped(ledger.everything(), lambda each, cut=cut: rollup_of(world, each, cut))
        names = ("requests", *TOKENS.split(", "))
        assert found == {key: (*(each.counts[name] for name in names), each.cost) for key, each in expected.items()}


def rollup_of(world: World, rated: Rated, cut: dict[str, int]) -> tuple[Any, ...]:
    event, price, _ = rated
    start = event.at.replace(minute=0, second=0, microsecond=0, **cut)
    status = STATUSES.index(event.status)
    names = (event.model, event.key_id, event.tier, event.provider, status, price and price.price_id)
    return (start, world.workspaces[event.tenant], *names)


def check_usage(instance: Instance, world: World, ledger: Ledger) -> None:
    """What each customer is shown, by day and by hour and model."""
    for tenant, admin_key in enumerate(world.admin_keys):
        rated = ledger.rated[tenant]
        for query, key in (
            ({"bucket": "day"}, lambda each: f"{each.event.at:%Y-%m-%dT00:00:00Z}"),
            ({"bucket": "hour", "group_by": "model"}, lambda each: f"{each.event.at:%Y-%m-%dT%H:00:00Z} {each.event.model}"),
        ):
            answer = usage(instance, world, admin_key, query)
            rows = {" ".join(filter(None, (row["start"], row.get("model")))): shown(row) for row in answer["data"]}
            assert rows == {name: sums.shown() for name, sums in grouped(rated, key).items()}
            assert shown(answer["total"]) == summed(rated).shown() if rated else answer["data"] == []


def usage(instance: Instance, world: World, admin_key: str, query: dict[str, str]) -> dict[str, Any]:
    start, end = world.now - timedelta(days=32), world.now + timedelta(days=2)
    whole = {"start": start.isoformat(), "end": end.isoformat(), **query}
    connection = instance.connect()
    headers = {"Authorization": f"Bearer {admin_key}"}
    connection.request("GET", f"/api/v1/usage?{urlencode(whole)}", headers=headers)
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    assert response.status == 200, answer
    return dict(json.loads(answer))


def shown(row: dict[str, Any]) -> dict[str, Any]:
    names = ("requests", *TOKENS.split(", "), "unpriced_requests", "components", "cost", "currency")
    return {name: row[name] for name in names}


def check_reconciled(instance: Instance, ledger: Ledger) -> None:
    """The product's own proof, and the sum that it names."""
    result = instance.manage("reconcile")
    expected = summed(ledger.everything())
    assert (result["ok"], result["differences"]) == (True, [])
    assert (result["events"]["requests"], result["events"]["cost"]) == (expected.counts["requests"], exact(expected.cost))
    assert result["rollups"] == result["events"]


def recovery(instance: Instance, notes: Notes, moments: Iterable[tuple[str, float]]) -> dict[str, dict[str, float]]:
    """By kind: the longest time until a batch that was sent afterwards was acknowledged, and until one was processed."""
    batches = instance.query(
        "SELECT extract(epoch FROM received_at)::float8, extract(epoch FROM processed_at)::float8 FROM metering_batch"
    )
    longest: dict[str, dict[str, float]] = {}
    for kind, at in moments:
        figures = longest.setdefault(kind, {})
        for name, pairs in (("accepting_s", notes.acknowledged_at), ("processing_s", batches)):
            after = [then - at for asked, then in pairs if asked >= at]
            if after:
                figures[name] = max(figures.get(name, 0), round(min(after), 2))
    return longest
