"""The invoice endpoints: what they show, to whom, and that every line leads down to the events it bills."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from rest_framework.test import APIClient

from metering.invoicing.models import Invoice
from metering.periods import parse_month
from tests.kit.billing import AUGUST, JULY, NOVEMBER, OCTOBER, SEPTEMBER, Meter, at, closed, finalized, tokens
from tests.kit.days import fixed_day
from tests.kit.factories import NOW, make_price, make_workspace
from tests.kit.tenants import client_of
from workspaces.keys import issue
from workspaces.members import members
from workspaces.models import APIKey, Workspace

__all__ = ["fixed_day"]

pytestmark = pytest.mark.django_db
MILLION = tokens(input=1_000_000)
IN_NOVEMBER = at("11-05T00:00")
URL = "/api/v1/invoices"


def test_an_invoice_shows_every_field(use: Meter, key: APIKey, acme: Workspace, admin: APIClient) -> None:
    use(key, "09-14T10:00")
    (invoice,) = finalized()
    shown = admin.get(f"{URL}/{invoice.public_id}").json()
    lines = list(invoice.lines.all())
    price = lines[0].price
    common = {
        "kind": "usage",
        "model": "codex-mini",
        "service_tier": "default",
        "period_start": "2026-09-01T00:00:00Z",
        "period_end": "2026-10-01T00:00:00Z",
        "price_id": price,
    }
    assert shown == {
        "object": "invoice",
        "id": invoice.public_id,
        "number": "OMX-2026-00001",
        "status": "paid",
        "period_start": "2026-09-01T00:00:00Z",
        "period_end": "2026-10-01T00:00:00Z",
        "seller": {"name": "Omixa Cloud", "address": "", "tax_id": ""},
        "buyer": {
            "name": "Acme",
            "email": "bills@acme.example",
            "address": "",
            "tax_id": "",
            "workspace_id": acme.public_id,
        },
        "line_count": 3,
        "lines": [
            {
                "id": lines[0].public_id,
                "description": "codex-mini, input",
                "component": "input",
                "quantity": 86,
                "unit": "token",
                "rate": "1.500000",
                "rate_for": "1M tokens",
                "rate_per_million": "1.500000",
                "amount_exact": "0.000129000000",
                "amount": "0.00",
            }
            | common,
            {
                "id": lines[1].public_id,
                "description": "codex-mini, cached input",
                "component": "cached_input",
                "quantity": 1920,
                "unit": "token",
                "rate": "0.375000",
                "rate_for": "1M tokens",
                "rate_per_million": "0.375000",
                "amount_exact": "0.000720000000",
                "amount": "0.00",
            }
            | common,
            {
                "id": lines[2].public_id,
                "description": "codex-mini, output",
                "component": "output",
                "quantity": 300,
                "unit": "token",
                "rate": "6.000000",
                "rate_for": "1M tokens",
                "rate_per_million": "6.000000",
                "amount_exact": "0.001800000000",
                "amount": "0.00",
            }
            | common,
        ],
        "subtotal_exact": "0.002649000000",
        "subtotal": "0.00",
        "promotional_credits": "0.00",
        "taxes": [],
        "tax": "0.00",
        "total": "0.00",
        "credits_applied": "0.00",
        "amount_paid": "0.00",
        "credited": "0.00",
        "charged_back": "0.00",
        "amount_due": "0.00",
        "credit_notes": [],
        "notes": {},
        "currency": "USD",
        "finalized_at": "2026-10-15T12:00:00Z",
        "due_at": "2026-10-29T12:00:00Z",
        "paid_at": "2026-10-15T12:00:00Z",
    }


def test_invoices_are_listed_newest_month_first_by_page(use: Meter, key: APIKey, admin: APIClient) -> None:
    use(key, "07-10T00:00", "08-10T00:00", "09-10T00:00")
    finalized(JULY)
    finalized(AUGUST)
    closed(SEPTEMBER)
    everything = admin.get(URL).json()
    months = [each["period_start"][:7] for each in everything["data"]]
    assert (everything["object"], everything["next_cursor"]) == ("list", None)
    assert months == ["2026-09", "2026-08", "2026-07"]
    first = admin.get(URL, {"limit": 2}).json()
    second = admin.get(URL, {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert first["data"] + second["data"] == everything["data"]
    assert second["next_cursor"] is None


def test_invoices_are_filtered_by_status(use: Meter, key: APIKey, admin: APIClient) -> None:
    use(key, "08-10T00:00", "09-10T00:00", usage=tokens(input=1_000_000))
    finalized(AUGUST)
    closed(SEPTEMBER)
    found = {status: admin.get(URL, {"status": status}).json()["data"] for status in ("draft", "open", "paid")}
    assert {status: [each["period_start"][:7] for each in data] for status, data in found.items()} == {
        "draft": ["2026-09"],
        "open": ["2026-08"],
        "paid": [],
    }
    assert len(admin.get(f"{URL}?status=draft&status=open").json()["data"]) == 2


@pytest.mark.parametrize(
    "query", ["status=late", "limit=0", "limit=101", "limit=x", "cursor=x", "cursor=WyJcdTAwMDAiXQ", "page=2"]
)
def test_a_wrong_parameter_is_refused(admin: APIClient, query: str) -> None:
    answer = admin.get(f"{URL}?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, query.partition("=")[0])


def test_upcoming_previews_the_running_month_with_adjustments(use: Meter, key: APIKey, admin: APIClient) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    finalized()
    use(key, "09-11T00:00", "10-10T00:00", usage=MILLION)
    shown = admin.get(f"{URL}/upcoming").json()
    assert (shown["id"], shown["number"], shown["status"]) == (None, None, "draft")
    assert (shown["period_start"], shown["period_end"]) == ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")
    assert (shown["subtotal_exact"], shown["total"]) == ("3.000000000000", "3.00")
    (october,) = closed(OCTOBER, IN_NOVEMBER)
    billed = admin.get(f"{URL}/{october.public_id}").json()
    assert [without_id(line) for line in shown["lines"]] == [without_id(line) for line in billed["lines"]]
    same = ("subtotal_exact", "subtotal", "tax", "total", "credits_applied", "amount_due", "currency", "buyer", "seller")
    assert {name: shown[name] for name in same} == {name: billed[name] for name in same}


def test_a_sandbox_has_nothing_upcoming(use: Meter) -> None:
    sandbox = make_workspace("Sandbox", sandbox=True)
    key, _ = issue.create_key(sandbox, "test", "Try", "tests", NOW)
    use(key, "10-10T00:00", usage=MILLION)
    shown = client_of(sandbox).get(f"{URL}/upcoming").json()
    assert (shown["lines"], shown["total"]) == ([], "0.00")


def test_a_line_leads_to_the_events_it_bills(use: Meter, key: APIKey, admin: APIClient) -> None:
    use(key, "09-10T00:00", "09-11T00:00", "08-31T23:59:59", "10-01T00:00")
    use(key, "09-12T00:00", usage=tokens(output=7))
    use(key, "09-12T00:00", status="failed")
    (invoice,) = finalized()
    for line in invoice.lines.filter(kind="usage"):
        events = admin.get(f"{URL}/{invoice.public_id}/lines/{line.public_id}/events").json()["data"]
        assert sum(event["quantity"] for event in events) == line.quantity
        assert sum(Decimal(event["amount_exact"]) for event in events) == line.amount_exact
        assert {event["price_id"] for event in events} == {line.price}
        expected = ["req-5", "req-2", "req-1"] if line.component == "output" else ["req-2", "req-1"]
        assert [event["request_id"] for event in events] == expected


def test_the_events_of_a_line_come_by_page(use: Meter, key: APIKey, admin: APIClient) -> None:
    use(key, *(f"09-10T{hour:02}:00" for hour in range(5)), usage=MILLION)
    (invoice,) = finalized()
    pages = list(pages_of(admin, invoice, invoice.lines.get().public_id, limit=2))
    seen = [event["request_id"] for page in pages for event in page]
    assert seen == ["req-5", "req-4", "req-3", "req-2", "req-1"]


@pytest.mark.parametrize("limit", [1, 3, 4, 10, 11, 100])
def test_pages_go_on_past_hours_whose_events_have_little_of_the_lines_component(
    use: Meter, key: APIKey, admin: APIClient, limit: int
) -> None:
    some, none = tokens(input=10, cached=5), tokens(input=10)
    for hour in ("09-10T00", "09-12T00"):
        use(key, *(f"{hour}:{minute:02}" for minute in range(5)), usage=some)
    for hour in ("09-11T00", "09-13T00"):
        use(key, f"{hour}:00", usage=some)
        use(key, *(f"{hour}:{minute:02}" for minute in range(1, 10)), usage=none)
    (invoice,) = finalized()
    line = invoice.lines.get(component="cached_input")
    pages = list(pages_of(admin, invoice, line.public_id, limit))
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    instants = [event["occurred_at"] for page in pages for event in page]
    assert (len(instants), instants) == (12, sorted(set(instants), reverse=True))
    assert sum(event["quantity"] for page in pages for event in page) == line.quantity == 60


def test_late_events_are_under_the_adjustment_and_not_under_the_first_line(use: Meter, key: APIKey, admin: APIClient) -> None:
    use(key, "09-10T00:00", "09-20T00:00", usage=MILLION)
    (september,) = finalized()
    use(key, "09-15T00:00", usage=tokens(input=300), now=at("10-16T00:00"))
    use(key, "10-10T00:00", "09-14T00:00", usage=tokens(input=500), now=at("10-17T00:00"))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    use(key, "09-13T00:00", usage=tokens(input=40), now=at("11-06T00:00"))
    with time_machine.travel(at("11-07T00:00")):
        assert under(admin, september) == {"usage": ["req-2", "req-1"]}
        assert under(admin, october) == {"usage": ["req-4"], "adjustment": ["req-3", "req-5"]}
        (november,) = closed(NOVEMBER, at("12-05T00:00"))
        assert under(admin, november) == {"adjustment": ["req-6"]}


def test_a_line_that_no_run_of_events_adds_up_to_shows_its_whole_month_rather_than_wrong_ones(
    use: Meter, key: APIKey, admin: APIClient
) -> None:
    """As when a worker reads its clock before the month is finalized, and commits after it."""
    use(key, "09-10T00:00", usage=tokens(input=100), now=at("10-04T10:00:01"))
    (september,) = finalized(now=at("10-04T10:00:03"))
    use(key, "09-11T00:00", usage=tokens(input=30), now=at("10-04T10:00:00"))
    use(key, "10-10T00:00", usage=MILLION)
    with time_machine.travel(IN_NOVEMBER):
        (october,) = finalized(OCTOBER, IN_NOVEMBER)
        assert under(admin, september) == {"usage": ["req-2", "req-1"]}
        assert under(admin, october) == {"usage": ["req-3"], "adjustment": ["req-2", "req-1"]}


def test_lines_of_one_model_under_two_prices_lead_to_their_own_events(use: Meter, key: APIKey, admin: APIClient) -> None:
    make_price(input="2", effective_from=at("09-15T00:00"))
    use(key, "09-14T00:00", "09-15T00:00", "09-16T00:00", usage=MILLION)
    (invoice,) = finalized()
    found = [events_of(admin, invoice, line.public_id) for line in invoice.lines.all()]
    assert found == [["req-1"], ["req-3", "req-2"]]


def test_another_workspaces_invoices_do_not_exist(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-10T00:00", "10-10T00:00", usage=MILLION)
    (invoice,) = finalized()
    line = invoice.lines.get()
    rival = client_of(make_workspace("Rival"))
    assert rival.get(URL).json()["data"] == []
    assert rival.get(f"{URL}/upcoming").json()["lines"] == []
    for url in (f"{URL}/{invoice.public_id}", f"{URL}/{invoice.public_id}/lines/{line.public_id}/events"):
        assert (rival.get(url).status_code, rival.get(url).json()["error"]["code"]) == (404, "not_found")
    own = client_of(acme)
    for url in (f"{URL}/inv_unknown", f"{URL}/{invoice.public_id}/lines/line_unknown/events"):
        assert own.get(url).status_code == 404
    cursor = own.get(URL, {"limit": 1}).json()["next_cursor"] or "WyJpbnZfeCJd"
    assert rival.get(URL, {"cursor": cursor}).status_code == 400


def test_a_line_of_another_invoice_is_not_found_under_this_one(use: Meter, key: APIKey, admin: APIClient) -> None:
    use(key, "08-10T00:00", "09-10T00:00", usage=MILLION)
    (august,), (september,) = finalized(AUGUST), finalized()
    url = f"{URL}/{august.public_id}/lines/{september.lines.get().public_id}/events"
    assert admin.get(url).status_code == 404


def test_a_live_key_sees_no_invoice(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    (invoice,) = finalized()
    live = client_of(acme, "live")
    line = f"{URL}/{invoice.public_id}/lines/{invoice.lines.get().public_id}/events"
    for url in (URL, f"{URL}/upcoming", f"{URL}/{invoice.public_id}", line):
        assert live.get(url).status_code == 403
        assert APIClient().get(url).status_code == 401


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("admin", 200), ("billing", 200), ("viewer", 403)])
def test_members_see_invoices_by_their_role(use: Meter, acme: Workspace, role: str, status: int) -> None:
    membership = members.add_member(acme, f"{role}@acme.example", role, "tests", NOW)
    client = APIClient()
    client.force_login(membership.user)
    assert client.get(URL).status_code == status


def test_listing_takes_the_same_number_of_queries_however_many_there_are(
    use: Meter, key: APIKey, admin: APIClient, django_assert_max_num_queries: Any
) -> None:
    use(key, *(f"{month:02}-10T00:00" for month in range(1, 10)))
    for month in range(1, 10):
        finalized(parse_month(f"2026-{month:02}"))
    assert Invoice.objects.count() == 9
    with django_assert_max_num_queries(6):
        assert len(admin.get(URL).json()["data"]) == 9


def without_id(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != "id"}


def events_of(client: APIClient, invoice: Invoice, line_id: str) -> list[str]:
    events = client.get(f"{URL}/{invoice.public_id}/lines/{line_id}/events").json()["data"]
    return [event["request_id"] for event in events]


def pages_of(client: APIClient, invoice: Invoice, line_id: str, limit: int) -> Iterator[list[dict[str, Any]]]:
    """The events under a line, page by page, to the last."""
    url = f"{URL}/{invoice.public_id}/lines/{line_id}/events"
    page = client.get(url, {"limit": limit}).json()
    yield page["data"]
    while page["next_cursor"] is not None:
        page = client.get(url, {"limit": limit, "cursor": page["next_cursor"]}).json()
        yield page["data"]


def under(client: APIClient, invoice: Invoice) -> dict[str, list[str]]:
    """The requests under each line, by its kind."""
    return {line.kind: events_of(client, invoice, line.public_id) for line in invoice.lines.all()}
