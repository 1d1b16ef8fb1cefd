"""Three months of random usage, prices that change and events that come late, against plain arithmetic that shares no code.

The oracle keeps every event it sent and the rate in force at its time, and knows only: tokens times rate over a million,
summed with Decimal, rounded half up; and that all invoices together bill every event once.
"""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest

from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.models import Invoice
from metering.periods import parse_month
from metering.reconcile.invoices import check_invoices
from tests.kit.factories import an_event, make_gateway, make_key, make_price, make_workspace, send

pytestmark = pytest.mark.django_db
NOVEMBER = datetime(2026, 11, 10, tzinfo=UTC)
# model, tier: (from, input, cached or None, output), as set below and as the oracle reads them
PRICES = {
    ("alpha", "default"): [
        (datetime(2025, 1, 1, tzinfo=UTC), "1.5", "0.375", "6"),
        (datetime(2026, 8, 17, 13, 30, tzinfo=UTC), "1.733333", None, "5.999999"),
    ],
    ("alpha", "priority"): [(datetime(2025, 1, 1, tzinfo=UTC), "3", "0", "12.000001")],
    ("beta", "default"): [
        (datetime(2025, 1, 1, tzinfo=UTC), "15", "7.5", "60"),
        (datetime(2026, 9, 1, tzinfo=UTC), "0.000001", "0.000003", "0.000007"),
    ],
}
MONTHS = ["2026-08", "2026-09", "2026-10"]


class Oracle:
    """Exact cost of what was sent, by workspace and month."""

    def __init__(self) -> None:
        self.costs: dict[tuple[str, str], Decimal] = defaultdict(Decimal)

    def add(self, workspace: str, at: datetime, model: str, tier: str, input: int, cached: int, output: int) -> None:
        versions = [version for version in PRICES[model, tier] if version[0] <= at]
        _, input_rate, cached_rate, output_rate = versions[-1]
        cost = Decimal(input - cached) * Decimal(input_rate)
        cost += Decimal(cached) * Decimal(input_rate if cached_rate is None else cached_rate)
        cost += Decimal(output) * Decimal(output_rate)
        self.costs[workspace, f"{at:%Y-%m}"] += cost / 1_000_000


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_invoices_together_bill_every_event_once_to_the_last_digit(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable test, not a secret
    for (model, tier), versions in PRICES.items():
        for start, input, cached, output in versions:
            make_price(model, input, cached, output, tier=tier, effective_from=start)
    gateway, oracle = make_gateway(), Oracle()
    keys = [make_key(make_workspace(name)) for name in ("Acme", "Bolt", "Core")]

    def events(month: str, count: int) -> list[dict[str, object]]:
        sent = []
        for number in range(count):
            key, (model, tier) = chance.choice(keys), chance.choice(list(PRICES))
            at = datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
            at += timedelta(microseconds=chance.randrange(30 * 86_400 * 1_000_000))
            input, output = chance.choice([0, 1, 7, 2006, 199_999, 2_000_000]), chance.randrange(5000)
            cached = chance.randint(0, input)
            usage = {
                "prompt_tokens": input,
                "completion_tokens": output,
                "total_tokens": input + output,
                "prompt_tokens_details": {"cached_tokens": cached},
            }
            name = {"request_id": f"{month}-{number}-{count}", "occurred_at": at.isoformat(), "model": model}
            sent.append(an_event(key, **name, service_tier=tier, usage=usage))
            oracle.add(key.workspace.name, at, model, tier, input, cached, output)
        return sent

    late: list[dict[str, object]] = []
    for month in MONTHS:
        on_time = events(month, 60)
        assert send(gateway, on_time + late, NOVEMBER).recorded == len(on_time) + len(late)
        close_workspaces(parse_month(month), NOVEMBER)
        more = events(month, 5)
        assert send(gateway, more, NOVEMBER).recorded == 5
        close_workspaces(parse_month(month), NOVEMBER, finalize=True)
        close_workspaces(parse_month(month), NOVEMBER, finalize=True)
        late = events(month, 9)
    send(gateway, late, NOVEMBER)

    billed: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for invoice in Invoice.objects.prefetch_related("lines"):
        lines = list(invoice.lines.all())
        for line in lines:
            assert line.amount_exact == Decimal(line.quantity) * line.rate_per_million / 1_000_000
            billed[invoice.workspace.name, f"{line.period_start:%Y-%m}"] += line.amount_exact
        exact = sum((line.amount_exact for line in lines), Decimal(0))
        assert invoice.subtotal_exact == exact
        assert invoice.total == exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
        assert sum((line.amount for line in lines), Decimal(0)) == invoice.total
    for workspace, month in oracle.costs:
        if month != MONTHS[-1]:
            assert billed[workspace, month] == oracle.costs[workspace, month]
    checked = check_invoices()
    assert checked.differences == []
    assert Decimal(checked.invoiced["usage"]) == sum(oracle.costs.values())
    assert Decimal(checked.invoiced["billed"]) == sum(billed.values())
    unbilled = {where: cost - billed[where] for where, cost in oracle.costs.items() if cost != billed[where]}
    assert {month for _, month in unbilled} == {MONTHS[-1]}
    assert Decimal(checked.invoiced["not_yet_billed"]) == sum(unbilled.values())
