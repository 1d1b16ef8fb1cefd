"""The part of the long_history benchmark that runs inside a product's environment; prints one JSON object."""

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")
django.setup()

from django.db import connection  # noqa: E402

from metering.credits import ledger  # noqa: E402
from metering.ingest.models import Provider, ServiceTier  # noqa: E402
from metering.invoicing.lifecycle.schedule import close_months_due  # noqa: E402
from metering.invoicing.models import Invoice  # noqa: E402
from metering.invoicing.terms.models import BillingTerms  # noqa: E402
from metering.periods import Period, month_of, previous_month  # noqa: E402
from metering.rollups.models import DailyRollup  # noqa: E402
from tests.benchmarks.closing_run import BATCH, MODELS, TOKENS_IN, TOKENS_OUT, prices  # noqa: E402
from workspaces.models import APIKey, Workspace  # noqa: E402

MONTHS, DAYS = 24, 28
ACTOR = "benchmark"


def months_until(now: datetime) -> list[Period]:
    """The running one last."""
    found = [month_of(now)]
    while len(found) < MONTHS:
        found.insert(0, previous_month(found[0]))
    return found


def write_usage(workspace: Workspace, keys: int, month: Period) -> int:
    """Of each key with each model on each of 28 days; how many rows."""
    rated = prices()
    tier, _ = ServiceTier.objects.get_or_create(name="default")
    provider, _ = Provider.objects.get_or_create(name="")
    cost = (TOKENS_IN * Decimal("1.5") + TOKENS_OUT * 6) / 1_000_000
    rows = [
        DailyRollup(
            workspace=workspace,
            day=month.start + timedelta(days=day),
            model_id=price.model_id,
            key=key,
            service_tier=tier,
            provider=provider,
            status=0,
            price_id=price.pk,
            requests=100,
            input_tokens=TOKENS_IN,
            cached_input_tokens=0,
            cache_write_tokens=0,
            output_tokens=TOKENS_OUT,
            reasoning_tokens=0,
            cost=cost,
        )
        for key in workspace.api_keys.filter(kind="live").order_by("pk")[:keys]
        for day in range(DAYS)
        for price in rated
    ]
    DailyRollup.objects.bulk_create(rows, BATCH)
    return len(rows)


def history(workspace: int, rollups: int) -> dict[str, Any]:
    """Each month is used, and closed five days after its end."""
    now = datetime.now(UTC)
    months = months_until(now)
    mine = Workspace.objects.get(pk=workspace)
    BillingTerms.objects.update_or_create(workspace=mine, defaults={"mode": BillingTerms.Mode.PREPAID})
    ledger.grant(mine, "purchased", Decimal("100000000.00"), ACTOR, months[0].start)
    keys = max(1, rollups // (MONTHS * DAYS * MODELS))
    APIKey.objects.bulk_create([APIKey(workspace=mine, kind="live", name=f"k{number}") for number in range(keys)])
    written = 0
    for month in months:
        written += write_usage(mine, keys, month)
        if month is not months[-1]:
            close_months_due(month.end + timedelta(days=5))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return {"rollups": written, "months": MONTHS, "invoices": Invoice.objects.filter(workspace=mine).count()}


if __name__ == "__main__":
    print(json.dumps(history(**json.loads(sys.argv[1]))))
