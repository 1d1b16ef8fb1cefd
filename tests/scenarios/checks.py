"""Holds what the product shows against the independent count: events, usage, rollups, invoices, and its own reconcile."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from metering.catalogue.models import PriceVersion
from metering.rollups.models import DailyRollup, HourlyRollup
from tests.scenarios import oracle
from tests.scenarios.oracle import Ledger, exact, grouped, summed
from tests.scenarios.stage import command
from tests.scenarios.story import ONLY_FAILURES, SANDBOX, TENANTS, Story, Tenant
from tests.scenarios.traffic import END, START

COUNTS = (
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
)


def check_events(ledger: Ledger, number: int, tenant: Tenant) -> None:
    """Every event, one by one."""
    shown = map(json.loads, tenant.admin.text("/api/v1/usage/events", format="ndjson").splitlines())
    found = {(number, each["request_id"], each["attempt"]): each for each in shown}
    expected = {rated.event.identity: rated for rated in ledger.rated[number]}
    assert found.keys() == expected.keys()
    for identity, (event, price, cost) in expected.items():
        each = found[identity]
        assert (each["cost"], each["price_id"]) == (cost if cost is None else exact(cost), price and price.price_id), each
        assert datetime.fromisoformat(each["occurred_at"]) == event.at
        names = ("key_id", "model", "service_tier", "provider", "status")
        assert [each[name] for name in names] == [event.key_id, event.model, event.tier, event.provider, event.status]
        names = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
        tokens = [event.input, event.cached, event.cache_write, event.output, event.reasoning]
        assert [each[name] for name in names] == tokens


def check_usage(ledger: Ledger, number: int, tenant: Tenant) -> None:
    """September by day, by model, by key and by everything; rows add up to the total."""
    rated = ledger.of(number, START, END)
    total = summed(rated).shown()
    groups = {
        ("day", ""): lambda each: f"{each.event.at:%Y-%m-%dT00:00:00Z}",
        ("none", "model"): lambda each: each.event.model,
        ("none", "key_id"): lambda each: each.event.key_id,
        ("none", "status"): lambda each: each.event.status,
        ("hour", "model"): lambda each: f"{each.event.at:%Y-%m-%dT%H:00:00Z} {each.event.model}",
    }
    for (bucket, group), key in groups.items():
        grouping = {"group_by": group} if group else {}
        answer = tenant.admin.get("/api/v1/usage", start=START.isoformat(), end=END.isoformat(), bucket=bucket, **grouping)
        rows = {" ".join(row[name] for name in name_of(bucket, group)): sums(row) for row in answer["data"]}
        assert rows == {name: each.shown() for name, each in grouped(rated, key).items()}
        assert sums(answer["total"]) == total
        assert sum((Decimal(row["cost"]) for row in answer["data"]), Decimal(0)) == Decimal(total["cost"])
    own = tenant.first_key.get("/api/v1/usage", start=START.isoformat(), end=END.isoformat())
    assert sums(own["total"]) == summed(each for each in rated if each.event.key_id == tenant.keys[0]).shown()


def name_of(bucket: str, group: str) -> list[str]:
    return ["start"] * (bucket != "none") + [group] * bool(group)


def sums(row: dict[str, Any]) -> dict[str, Any]:
    names = (*COUNTS, "unpriced_requests", "components", "cost", "currency")
    return {name: row[name] for name in names}


def check_rollups(story: Story, ledger: Ledger) -> None:
    """Every hour and every day, of all months."""
    numbers = {tenant.number: at for at, tenant in enumerate(story.tenants)}
    price_ids = dict(PriceVersion.objects.values_list("id", "public_id"))
    parts = ("model__slug", "key__public_id", "service_tier__name", "provider__name", "status", "price_id")
    for table, start, grain in ((HourlyRollup, "hour", {}), (DailyRollup, "day", {"hour": 0})):
        found = {}
        for workspace, at, model, key, tier, provider, status, price, *counts, cost in table.objects.values_list(
            "workspace_id", start, *parts, *COUNTS, "cost"
        ):
            name = ("succeeded", "aborted", "failed")[status]
            found[numbers[workspace], at, model, key, tier, provider, name, price_ids.get(price)] = (*counts, cost)
        expected = grouped(ledger.everything(), lambda each, grain=grain: rollup_of(each, **grain))
        assert found == {key: (*(each.counts[name] for name in COUNTS), each.cost) for key, each in expected.items()}


def rollup_of(rated: oracle.Rated, **grain: int) -> tuple[Any, ...]:
    """The rollup row that an event belongs to; `grain` says what else of its time is cut off but minutes."""
    event, price, _ = rated
    start = event.at.replace(minute=0, second=0, microsecond=0, **grain)
    names = (event.model, event.key_id, event.tier, event.provider, event.status)
    return (event.tenant, start, *names, price and price.price_id)


def check_invoices(story: Story, ledger: Ledger, closed: list[dict[str, Any]]) -> None:
    """Every line, exact and displayed, and every total; none for the sandbox and for failures."""
    billed = {tenant.workspace_id for at, tenant in enumerate(story.tenants) if at not in (SANDBOX, ONLY_FAILURES)}
    assert {invoice["workspace_id"] for invoice in closed} == billed
    assert [invoice["number"] for invoice in closed] == [f"OMX-2026-{at:05}" for at in range(1, len(billed) + 1)]
    totals = {invoice["workspace_id"]: invoice["total"] for invoice in closed}
    for number, tenant in enumerate(story.tenants):
        invoices = tenant.admin.get("/api/v1/invoices")["data"]
        if tenant.workspace_id not in billed:
            assert invoices == []
            continue
        (invoice,) = invoices
        assert (invoice["status"], invoice["period_start"]) == ("open", "2026-09-01T00:00:00Z")
        assert invoice["total"] == totals[tenant.workspace_id]
        check_invoice(ledger, number, tenant.admin.get(f"/api/v1/invoices/{invoice['id']}"))


def check_invoice(ledger: Ledger, number: int, invoice: dict[str, Any]) -> None:
    """An event of August that came after all is an adjustment; October's is on no invoice yet."""
    usage = oracle.lines_of(ledger.of(number, START, END))
    late = oracle.lines_of(ledger.of(number, START - timedelta(days=31), START))
    expected = {("usage", *what): line for what, line in usage.items()}
    expected |= {("adjustment", *what): line for what, line in late.items() if line[2]}
    found = {}
    for line in invoice["lines"]:
        what = (line["kind"], line["model"], line["service_tier"], line["price_id"], line["component"])
        found[what] = (line["quantity"], line["rate_per_million"], Decimal(line["amount_exact"]))
        assert line["amount_exact"] == exact(found[what][2])
    assert found == expected
    assert len(invoice["lines"]) == len(expected)
    amounts = [amount for _, _, amount in found.values()]
    total = sum(amounts, Decimal(0))
    assert [line["amount"] for line in invoice["lines"]] == [f"{cents:.2f}" for cents in oracle.shared(amounts)]
    assert sum((Decimal(line["amount"]) for line in invoice["lines"]), Decimal(0)) == oracle.to_cents(total)
    rounded = f"{oracle.to_cents(total):.2f}"
    assert (invoice["subtotal_exact"], invoice["subtotal"], invoice["tax"]) == (exact(total), rounded, "0.00")
    assert (invoice["total"], invoice["amount_due"]) == (rounded, rounded)


def check_reconciled(ledger: Ledger) -> None:
    """The product's own proof, of the month and of all months, with the sums that it names."""
    for month, start, end in (("2026-09", START, END), (None, START - timedelta(days=31), END + timedelta(days=31))):
        result = command("reconcile", *(["--month", month] if month else []))
        assert (result["ok"], result["differences"]) == (True, [])
        expected = summed(each for tenant in range(TENANTS) for each in ledger.of(tenant, start, end))
        assert result["events"] == {**{name: expected.counts[name] for name in COUNTS}, "cost": exact(expected.cost)}
        assert result["rollups"] == result["events"]
