"""The part of the closing benchmark that runs inside a product's environment; prints one JSON object."""

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402

from metering.catalogue.models import LanguageModel, PriceVersion  # noqa: E402
from metering.ingest.models import Provider, ServiceTier  # noqa: E402
from metering.invoicing.documents.pdf import invoice_pdf  # noqa: E402
from metering.invoicing.lifecycle.schedule import close_months_due  # noqa: E402
from metering.invoicing.models import Invoice  # noqa: E402
from metering.invoicing.numbering import InvoiceSequence  # noqa: E402
from metering.rollups.models import DailyRollup  # noqa: E402
from workspaces.models import APIKey, Workspace  # noqa: E402

NOW = datetime(2026, 10, 5, tzinfo=UTC)
DAYS, MODELS = 4, 3
TOKENS_IN, TOKENS_OUT = 1_000_000, 200_000
BATCH = 2_000


def prices() -> list[PriceVersion]:
    """Of three models, at 1.50 and 6 USD."""
    made = []
    for number in range(MODELS):
        model, _ = LanguageModel.objects.get_or_create(slug=f"bench-{number}")
        price, _ = PriceVersion.objects.get_or_create(
            model=model,
            service_tier="default",
            effective_from=datetime(2025, 1, 1, tzinfo=UTC),
            defaults={"input_rate": Decimal("1.5"), "output_rate": Decimal("6")},
        )
        made.append(price)
    return made


def fill(workspaces: int, days: int = DAYS, requests: int = 100) -> list[Workspace]:
    """So many new workspaces with usage of September 2026."""
    rated = prices()
    tier, _ = ServiceTier.objects.get_or_create(name="default")
    provider, _ = Provider.objects.get_or_create(name="")
    made = Workspace.objects.bulk_create([Workspace(name=f"Bench {number}") for number in range(workspaces)], BATCH)
    keys = APIKey.objects.bulk_create([APIKey(workspace=each, kind="live", name="bench") for each in made], BATCH)
    cost = (TOKENS_IN * Decimal("1.5") + TOKENS_OUT * 6) / 1_000_000
    rows = [
        DailyRollup(
            workspace=workspace,
            day=datetime(2026, 9, day + 1, tzinfo=UTC),
            model_id=price.model_id,
            key=key,
            service_tier=tier,
            provider=provider,
            status=0,
            price_id=price.pk,
            requests=requests,
            input_tokens=TOKENS_IN,
            cached_input_tokens=0,
            cache_write_tokens=0,
            output_tokens=TOKENS_OUT,
            reasoning_tokens=0,
            cost=cost,
        )
        for workspace, key in zip(made, keys, strict=True)
        for day in range(days)
        for price in rated
    ]
    DailyRollup.objects.bulk_create(rows, BATCH)
    return made


class Queries:
    """Counts what goes to the database."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Any, *arguments: Any) -> Any:
        self.count += 1
        return execute(*arguments)


@contextmanager
def counted() -> Any:
    queries = Queries()
    with connection.execute_wrapper(queries):
        yield queries


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bare_round_trips(workspaces: int, queries: int) -> float:
    """Seconds that as many trivial queries in as many committed transactions take: below it nothing could close."""
    began = time.perf_counter()
    for _ in range(workspaces):
        with transaction.atomic(), connection.cursor() as cursor:
            for number in range(queries):
                cursor.execute("SELECT %s", [number])
            cursor.execute("UPDATE metering_invoicesequence SET last = last WHERE prefix = 'BENCH'")
    return time.perf_counter() - began


def close(workspaces: int) -> dict[str, Any]:
    InvoiceSequence.objects.get_or_create(prefix="BENCH", year=2026)
    fill(workspaces)
    before = megabytes()
    began = time.perf_counter()
    with counted() as queries:
        counts = close_months_due(NOW)
    seconds = time.perf_counter() - began
    assert counts == {"drafts": 0, "finalized": workspaces, "held": 0, "incomplete": 0, "failed": 0}, counts
    per_workspace = round(queries.count / workspaces)
    limit = bare_round_trips(min(workspaces, 1_000), per_workspace) / min(workspaces, 1_000) * workspaces
    return {
        "workspaces": workspaces,
        "seconds": round(seconds, 1),
        "ms_per_workspace": round(seconds * 1000 / workspaces, 2),
        "queries_per_workspace": round(queries.count / workspaces, 2),
        "memory_mb": round(megabytes(), 1),
        "memory_growth_mb": round(megabytes() - before, 1),
        "bare_round_trips_s": round(limit, 1),
        "ratio": round(limit / seconds, 3),
    }


def race(workspaces: int) -> dict[str, Any]:
    """Two processes close the same month at once."""
    made = fill(workspaces)
    began = time.perf_counter()
    schedulers = [subprocess.Popen([sys.executable, "-m", "tests.benchmarks.closing_run", "run"]) for _ in range(2)]
    assert [each.wait(600) for each in schedulers] == [0, 0]
    seconds = time.perf_counter() - began
    invoices = Invoice.objects.filter(workspace__in=made)
    numbers = sorted(int(number.rpartition("-")[2]) for number in Invoice.objects.values_list("number", flat=True))
    return {
        "workspaces": workspaces,
        "schedulers": 2,
        "seconds": round(seconds, 1),
        "invoices": invoices.count(),
        "workspaces_with_one": invoices.values("workspace").distinct().count(),
        "numbers_without_gap": numbers == list(range(1, len(numbers) + 1)),
    }


def large(events: int) -> dict[str, Any]:
    """One invoice over so many events: 30 days of hundreds of keys, in the rollups."""
    days, keys = 30, 200
    (workspace,) = fill(1, days=days, requests=events // (days * MODELS * (keys + 1)))
    rows = list(DailyRollup.objects.filter(workspace=workspace))
    more = APIKey.objects.bulk_create([APIKey(workspace=workspace, kind="live", name=f"k{n}") for n in range(keys)])
    for key in more:
        for row in rows:
            row.key = key
        DailyRollup.objects.bulk_create(rows, BATCH)
    before = megabytes()
    began = time.perf_counter()
    counts = close_months_due(NOW)
    seconds = time.perf_counter() - began
    assert counts["finalized"] == 1, counts
    invoice = workspace.invoices.get()
    return {
        "events": sum(DailyRollup.objects.filter(workspace=workspace).values_list("requests", flat=True)),
        "rollup_rows": days * MODELS * (keys + 1),
        "lines": invoice.lines.count(),
        "seconds": round(seconds, 2),
        "memory_growth_mb": round(megabytes() - before, 1),
    }


def pdf(count: int) -> dict[str, Any]:
    invoices = list(Invoice.objects.filter(status="open").select_related("workspace").order_by("pk")[:count])
    invoice_pdf(invoices[0])
    seconds = []
    for invoice in invoices:
        began = time.perf_counter()
        made = invoice_pdf(invoice)
        seconds.append(time.perf_counter() - began)
        assert invoice_pdf(invoice) == made
    ordered = sorted(seconds)
    return {
        "pdfs": len(ordered),
        "p50_ms": round(ordered[len(ordered) // 2] * 1000, 1),
        "p99_ms": round(ordered[len(ordered) * 99 // 100] * 1000, 1),
        "most_ms": round(ordered[-1] * 1000, 1),
    }


def run(_: int) -> dict[str, Any]:
    return close_months_due(NOW)


if __name__ == "__main__":
    act = {"close": close, "race": race, "large": large, "pdf": pdf, "run": run}[sys.argv[1]]
    found = act(int((*sys.argv, "0")[2]))
    if sys.argv[1] != "run":
        print(json.dumps(found))
