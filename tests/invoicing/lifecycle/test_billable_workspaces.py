"""Which workspaces a month may bill, and what it costs to find them."""

from datetime import timedelta

import pytest
from django.db import connection

from metering.invoicing.lifecycle.close import billable_workspaces
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import AgreedPricing
from metering.rollups.models import DailyRollup
from tests.kit.billing import OCTOBER, SEPTEMBER
from tests.kit.factories import make_price, make_workspace
from tests.kit.plans import plans, reads_of, rows_read
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
COUNTS = dict.fromkeys(("requests", "input_tokens", "cached_input_tokens", "cache_write_tokens"), 1)


def use_daily(workspace: Workspace, days: int, price_id: int) -> None:
    """Rollups of so many days, the last of them the last of September."""
    same = COUNTS | {"output_tokens": 1, "reasoning_tokens": 0, "cost": 1, "model_id": 1, "key_id": 1, "status": 1}
    DailyRollup.objects.bulk_create(
        DailyRollup(
            workspace_id=workspace.pk,
            day=SEPTEMBER.end - timedelta(days=day),
            price_id=price_id,
            service_tier_id=1,
            provider_id=1,
            **same,
        )
        for day in range(1, days + 1)
    )


def test_used_with_a_price_invoiced_or_committed_are_billable_and_no_sandbox_is() -> None:
    price = make_price().pk
    names = ("used", "unpriced", "invoiced", "committed", "later", "idle", "used and invoiced")
    made = {name: make_workspace(name) for name in names} | {"sandbox": make_workspace("sandbox", sandbox=True)}
    for name in ("used", "sandbox", "used and invoiced"):
        use_daily(made[name], 2, price)
    use_daily(made["unpriced"], 2, 0)
    for name in ("invoiced", "used and invoiced"):
        Invoice.objects.create(workspace=made[name], period_start=SEPTEMBER.start, period_end=SEPTEMBER.end)

    AgreedPricing.objects.create(workspace=made["committed"], effective_from=SEPTEMBER.start, minimum_commitment=10)
    AgreedPricing.objects.create(workspace=made["later"], effective_from=OCTOBER.start, minimum_commitment=10)
    found = [workspace.name for workspace in billable_workspaces(SEPTEMBER)]
    assert found == ["used", "invoiced", "committed", "used and invoiced"]


def test_one_rollup_of_each_workspace_is_read_and_not_all() -> None:
    price = make_price().pk
    for number in range(20):
        use_daily(make_workspace(f"W{number}"), 500, price)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE metering_dailyrollup, workspaces_workspace")
    nodes = plans(lambda: billable_workspaces(SEPTEMBER))
    assert len(billable_workspaces(SEPTEMBER)) == 20
    assert rows_read(reads_of(nodes, "dailyrollup")) == 20
