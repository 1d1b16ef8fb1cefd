"""The overview's figures are the rollups', to the cent, and leave the sandboxes out."""

import json
import re
from decimal import Decimal
from html import unescape

from django.test import Client

from metering.console.money.revenue import revenue
from tests.console.conftest import World
from tests.kit.factories import GOLDEN_COST, NOW, an_event, make_key, make_price, make_workspace, send


def test_spend_is_compared_with_the_stretch_before(world: World) -> None:
    found = revenue(NOW)
    assert found.today.current.cost == 2 * GOLDEN_COST
    assert found.today.before.cost == GOLDEN_COST
    assert found.month.current.cost == 3 * GOLDEN_COST
    # of September only the days that October has had: the 1st to the 15th
    assert found.month.before.cost == GOLDEN_COST
    assert found.month.before_is == "1 to 15 September"
    # the unpriced request counts, at no cost
    assert (found.today.current.requests, found.month.current.requests) == (3, 4)
    assert found.month.current.input_tokens == 4 * 2006


def test_usage_of_the_same_days_only(world: World) -> None:
    send(world.gateway, [an_event(world.key, request_id="late-september", occurred_at="2026-09-16T00:00:00Z")])
    assert revenue(NOW).month.before.cost == GOLDEN_COST


def test_the_sandbox_is_no_revenue(world: World) -> None:
    found = revenue(NOW)
    assert [workspace for workspace, _ in found.top_workspaces] == [world.acme]
    assert [(row.groups["model"], row.cost) for row in found.top_models] == [
        ("codex-mini", 3 * GOLDEN_COST),
        ("mystery-1", Decimal(0)),
    ]


def test_the_charts_series_add_up_to_each_days_spend(world: World) -> None:
    other = make_key(make_workspace("Birch"))
    for number in range(8):
        make_price(f"model-{number}")
        send(world.gateway, [an_event(other, request_id=f"m{number}", model=f"model-{number}")])
    found = revenue(NOW)
    assert len(found.series) == 6
    assert found.series[-1].name == "Other models"
    assert (
        sum(series.values[-1] for series in found.series) == found.today.current.cost == 11 * GOLDEN_COST
    )  # the batch that waited is processed too
    assert sum(series.values[-2] for series in found.series) == GOLDEN_COST
    assert len(found.days) == 30


def test_the_page_shows_what_waits(console: Client, world: World) -> None:
    page = unescape(console.get("/admin/").content.decode())
    shown = dict(re.findall(r'<h2>([^<]+)</h2>\s*<p class="console-value"[^>]*>([^<]+)</p>', page))
    assert shown == {
        "Spend today": "$0.005298",
        "Spend this month": "$0.007947",
        "Requests this month": "4",
        "Tokens this month": "9,224",
        "Open invoices": "$0.00",
        "Overdue": "$0.00",
        "Retries used up": "$0.00",
        "Failed payments": "$0.00",
        "Held drafts": "$0.00",
        "Suspended workspaces": "0",
        "Waiting batches": "1",
        "Quarantined events": "2",
        "Unpriced requests": "1",
        "Jobs": "0",
        "Disputes": "0",
        "Surplus payments": "0",
        "Mails not sent": "0",
        "Void months": "0",
    }
    assert "key.renamed" in page
    chart = json.loads(re.search(r'data-value="(.*?)" ', console.get("/admin/").content.decode())[1].replace("&quot;", '"'))  # type: ignore[index]
    assert chart["datasets"][0]["data"][-2:] == ["0.002649000000", "0.005298000000"]


def test_a_model_without_a_price_is_not_free(console: Client, world: World) -> None:
    rows = console.get("/admin/").context["top_models"]
    assert ["Unpriced" in row[-1] for row in rows] == [False, True]


def test_an_empty_product_has_an_overview_too(console: Client) -> None:
    page = console.get("/admin/").content.decode()
    assert "user.created</a> <span>operator@omixa.example</span>" in " ".join(page.split())
    assert "$0.00" in page
