"""Invoices through the pages: list, preview, document, and the requests under each line."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.models import Invoice
from metering.periods import parse_month
from tests.kit.factories import NOW, make_workspace
from tests.kit.pages import text_of
from tests.kit.people import Browser, browser_of, person
from tests.website.conftest import Tenant

Use = Callable[..., list[str]]
SEPTEMBER = datetime.fromisoformat("2026-09-10T08:00:00+00:00")


@pytest.fixture
def closed(acme: Tenant, rival: Tenant, codex_mini: None, use: Use) -> dict[str, Invoice]:
    """September, closed and finalized, of Acme with 40 requests and of Rival with 10; by workspace name."""
    use(acme.key, *[SEPTEMBER + timedelta(minutes=minute) for minute in range(60)])
    use(rival.key, *[SEPTEMBER + timedelta(minutes=minute) for minute in range(10)])
    close_workspaces(parse_month("2026-09"), NOW, finalize=True)
    return {invoice.workspace.name: invoice for invoice in Invoice.objects.select_related("workspace")}


def test_the_list_has_the_own_invoices(closed: dict[str, Invoice], owner: Client) -> None:
    text = text_of(owner.get("/invoices"))
    assert str(closed["Acme"].number) in text
    assert str(closed["Rival"].number) not in text
    assert "September 2026" in text
    assert "$0.16" in text


def test_an_invoice_shows_what_the_api_says(closed: dict[str, Invoice], owner: Client) -> None:
    invoice = closed["Acme"]
    text = text_of(owner.get(f"/invoices/{invoice.public_id}"))
    api = owner.get(f"/api/v1/invoices/{invoice.public_id}").json()
    assert api["total"] == "0.16"
    for line in api["lines"]:
        assert line["description"] in text
        assert f"{line['quantity']:,}" in text
        assert f"${Decimal(line['amount']):.2f}" in text
    assert "exactly $0.15894" in text
    assert "Their sum is rounded once, to the cent" in text


def test_the_preview_says_how_its_lines_are_rounded(acme: Tenant, codex_mini: None, owner: Client, use: Use) -> None:
    use(acme.key, NOW - timedelta(hours=1))
    assert "Their sum is rounded once, to the cent" in text_of(owner.get("/invoices/upcoming"))


def test_an_invoice_prints_alone(closed: dict[str, Invoice], owner: Client) -> None:
    answer = owner.get(f"/invoices/{closed['Acme'].public_id}/print")
    assert str(closed["Acme"].number) in text_of(answer)
    assert "Sign out" not in text_of(answer)


def test_under_a_line_are_the_requests_it_bills(closed: dict[str, Invoice], owner: Client) -> None:
    line = closed["Acme"].lines.get(component="output")
    first = owner.get(f"/invoices/{closed['Acme'].public_id}/lines/{line.public_id}")
    second = owner.get(f"/invoices/{closed['Acme'].public_id}/lines/{line.public_id}?{first.context['more']['next']}")
    billed = [each for each, _ in first.context["billed"] + second.context["billed"]]
    assert len(billed) == 60
    assert sum(each.quantity for each in billed) == line.quantity == 18_000
    assert sum(each.amount_exact for each in billed) == line.amount_exact


def test_the_running_month_is_previewed(acme: Tenant, codex_mini: None, owner: Client, use: Use) -> None:
    use(acme.key, *[NOW - timedelta(minutes=minute) for minute in range(10)])
    assert "October 2026, so far" in text_of(owner.get("/invoices"))
    text = text_of(owner.get("/invoices/upcoming"))
    assert "exactly $0.02649" in text
    assert "$0.03 USD" in text


def test_a_draft_is_shown_as_one(acme: Tenant, codex_mini: None, owner: Client, use: Use) -> None:
    use(acme.key, SEPTEMBER)
    [draft] = close_workspaces(parse_month("2026-09"), NOW)
    assert "Draft invoice" in text_of(owner.get(f"/invoices/{draft.public_id}"))


def test_a_strangers_invoice_is_a_404(closed: dict[str, Invoice], owner: Client) -> None:
    theirs = closed["Rival"]
    line = theirs.lines.first()
    assert line is not None
    for path in ("", "/print", f"/lines/{line.public_id}"):
        assert owner.get(f"/invoices/{theirs.public_id}{path}").status_code == 404
    assert owner.get(f"/invoices/{closed['Acme'].public_id}/lines/{line.public_id}").status_code == 404


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("admin", 200), ("billing", 200), ("viewer", 403)])
def test_who_sees_invoices(closed: dict[str, Invoice], as_role: Browser, role: str, status: int) -> None:
    client = as_role(role)
    for path in ("/invoices", "/invoices/upcoming", f"/invoices/{closed['Acme'].public_id}"):
        assert client.get(path).status_code == status


def test_a_sandbox_is_told_that_it_is_never_invoiced(db: None) -> None:
    client = browser_of(person(make_workspace("Play", sandbox=True), "owner"))
    assert "never invoiced" in text_of(client.get("/invoices"))


def test_without_invoices_the_list_says_when_one_comes(owner: Client) -> None:
    assert "No invoices yet" in text_of(owner.get("/invoices"))
