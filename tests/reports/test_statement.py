"""What a workspace owed, had and was owed: every entry by the day of its act, between two balances."""

import csv
import io
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from metering.periods import Period
from metering.reports import printed_statement
from metering.reports.printed_statement import printed_entries, statement_pdf
from metering.reports.statement import Position, Statement, statement_json, statement_of
from omixa_billing.api.errors import InvalidParameter
from tests.kit.billing import at
from tests.kit.factories import make_workspace
from tests.kit.pages import text_of_pdf, words_of
from tests.kit.people import browser_of, person
from tests.kit.tenants import client_of
from tests.reports.story import Story
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db
AUTUMN = {"start": "2026-08-15T00:00:00Z", "end": "2026-10-20T00:00:00Z"}
DAYS = "first_day=2026-08-15&last_day=2026-10-19"


def statement(workspace: Workspace, start: str, end: str) -> Statement:
    return statement_of(workspace, Period(at(start), at(end)))


def test_every_entry_moves_the_balance_from_the_opening_to_the_closing(story: Story) -> None:
    found = printed_entries(statement(story.acme, "08-15T00:00", "10-20T00:00"))
    numbers = [story.august.number, story.september.number]
    assert [(each.day[5:], each.text, each.number, each.due, each.credit, each.owed, each.balance) for each in found] == [
        ("08-15", "Opening balance", "", "$0.00", "$33.40", "$0.00", "-$33.40"),
        ("09-01", "Invoice finalized", numbers[0], "$357.00", "", "", "$323.60"),
        ("09-01", "Credit used", numbers[0], "-$33.40", "-$33.40", "", "$323.60"),
        ("09-20", "Credit note", "OMX-CN-2026-00001", "-$119.00", "", "", "$204.60"),
        ("10-01", "Invoice finalized", numbers[1], "$178.50", "", "", "$383.10"),
        ("10-03", "Payment received", numbers[0], "-$204.60", "", "", "$178.50"),
        ("10-06", "Payment received", "", "", "", "$50.00", "$128.50"),
        ("10-06", "Credit granted", "", "", "$50.00", "-$50.00", "$128.50"),
        ("10-08", "Credit withdrawn", "", "", "-$20.00", "$20.00", "$128.50"),
        ("10-08", "Refund begun", "", "", "", "", "$128.50"),
        ("10-08", "Refund made", "", "", "", "-$20.00", "$148.50"),
        ("10-19", "Closing balance", "", "$178.50", "$30.00", "$0.00", "$148.50"),
    ]


def test_adjoining_statements_fit_together_and_add_up(story: Story) -> None:
    story.more()
    months = [f"{month:02}-01T00:00" for month in range(3, 13)]
    parts = [statement(story.acme, start, end) for start, end in pairwise(months)]
    whole = statement(story.acme, "03-01T00:00", "12-01T00:00")
    for before, after in pairwise(parts):
        assert before.closing == after.opening
    for each in [whole, *parts]:
        assert sum((row.change for row in each.entries), each.opening) == each.closing
    assert [row for each in parts for row in each.entries] == whole.entries
    assert (whole.opening, whole.closing) == (Position(), Position(due=0, credit=1215, owed=0))


def test_a_later_act_changes_no_earlier_statement(story: Story) -> None:
    was = statement(story.acme, "08-01T00:00", "10-20T00:00")
    story.more()
    assert statement(story.acme, "08-01T00:00", "10-20T00:00") == was


def test_it_takes_five_statements(story: Story, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(5):  # type: ignore[operator]
        statement(story.acme, "01-01T00:00", "10-20T00:00")


def test_a_workspace_without_entries_has_a_statement(acme: Workspace) -> None:
    found = statement_json(statement(acme, "08-01T00:00", "09-01T00:00"))
    nothing = {"invoices_due": "0.00", "credit": "0.00", "owed_to_customer": "0.00", "balance": "0.00"}
    assert found == {
        "object": "statement",
        "workspace_id": acme.public_id,
        "start": "2026-08-01T00:00:00Z",
        "end": "2026-09-01T00:00:00Z",
        "currency": "USD",
        "opening": nothing,
        "entries": [],
        "closing": nothing,
    }


def test_the_pdf_says_what_the_statement_says_and_is_the_same_each_time(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    found = statement(story.acme, "08-15T00:00", "10-20T00:00")
    pdf = statement_pdf(found)
    words = " ".join(text_of_pdf(pdf).split())
    assert "Statement of account" in words
    assert "2026-08-15 Opening balance $0.00 $33.40 $0.00 -$33.40" in words
    assert f"2026-09-01 Invoice finalized {story.august.number} $357.00 $323.60" in words
    assert "Balance $148.50" in words
    assert statement_pdf(found) == pdf
    monkeypatch.setattr(printed_statement, "MOST_PRINTED", 9)
    with pytest.raises(InvalidParameter, match="choose fewer days, or the CSV"):
        statement_pdf(found)


def test_programs_get_it_as_json(story: Story) -> None:
    answer = client_of(story.acme).get("/api/v1/statement", AUTUMN)
    assert answer.status_code == 200
    found = answer.json()
    assert found == statement_json(statement(story.acme, "08-15T00:00", "10-20T00:00"))
    assert found["closing"] == {
        "invoices_due": "178.50",
        "credit": "30.00",
        "owed_to_customer": "0.00",
        "balance": "148.50",
    }
    first = found["entries"][0]
    assert first.pop("id").startswith("jrn_")
    assert first == {
        "at": "2026-09-01T06:00:00Z",
        "kind": "invoice_finalized",
        "document_id": story.august.public_id,
        "number": story.august.number,
        "invoices_due": "357.00",
        "credit": "0.00",
        "owed_to_customer": "0.00",
        "balance": "323.60",
    }


def test_programs_get_it_as_csv_and_pdf(story: Story) -> None:
    answer: Any = client_of(story.acme).get("/api/v1/statement", AUTUMN | {"format": "csv"})
    assert answer["Content-Disposition"].endswith('-2026-08-15-to-2026-10-19.csv"')
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [row["kind"] for row in rows[:2]] == ["opening", "invoice_finalized"]
    assert [rows[0]["balance"], rows[1]["balance"], rows[-1]["kind"], rows[-1]["balance"]] == [
        "-33.40",
        "323.60",
        "closing",
        "148.50",
    ]
    for name in ("invoices_due", "credit", "owed_to_customer"):
        *moved, closing = [int(row[name].replace(".", "")) for row in rows]
        assert sum(moved) == closing
    pdf: Any = client_of(story.acme).get("/api/v1/statement/pdf", AUTUMN)
    assert pdf["Content-Type"] == "application/pdf"
    assert "Balance $148.50" in " ".join(text_of_pdf(pdf.content).split())


def test_it_is_only_ones_own_and_for_those_who_may_see_invoices(story: Story) -> None:
    found = client_of(make_workspace("Rival")).get("/api/v1/statement", AUTUMN).json()
    assert (found["entries"], found["closing"]["balance"]) == ([], "0.00")
    live = client_of(story.acme, "live")
    assert live.get("/api/v1/statement", AUTUMN).status_code == 403
    assert live.get("/api/v1/statement/pdf", AUTUMN).status_code == 403


@pytest.mark.parametrize("asked", [{}, {"start": AUTUMN["end"], "end": AUTUMN["start"]}, AUTUMN | {"format": "xml"}])
def test_what_cannot_be_asked_is_refused(story: Story, asked: dict[str, str]) -> None:
    answer = client_of(story.acme).get("/api/v1/statement", asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")


def test_customers_see_it_on_a_page(story: Story) -> None:
    browser = browser_of(person(story.acme, "billing"))
    assert 'href="/billing/statement"' in browser.get("/billing").content.decode()
    said = words_of(browser.get(f"/billing/statement?{DAYS}"))
    assert f"Invoice finalized {story.august.number} 2026-09-01 $357.00 - - $323.60" in said
    assert "Closing balance 2026-10-19 $178.50 $30.00 $0.00 $148.50" in said
    answer: Any = browser.get(f"/billing/statement/csv?{DAYS}")
    assert len(answer.getvalue().decode().splitlines()) == 13
    pdf: Any = browser.get(f"/billing/statement/pdf?{DAYS}")
    assert "Balance $148.50" in " ".join(text_of_pdf(pdf.content).split())
    with time_machine.travel(at("08-20T00:00"), tick=False):
        assert "Opening balance 2026-07-01" in words_of(browser.get("/billing/statement"))


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ("first_day=2026-10-19&last_day=2026-08-15", "The last day is before the first."),
        ("first_day=autumn&last_day=2026-08-15", "Enter a valid date."),
        ("first_day=1200-01-01&last_day=2026-08-15", "Choose days between the years 1970 and 2199."),
    ],
)
def test_days_that_are_none_are_said(story: Story, days: str, said: str) -> None:
    browser = browser_of(person(story.acme, "owner"))
    page = words_of(browser.get(f"/billing/statement?{days}"))
    assert said in page
    assert "Closing balance" not in page
    for file in ("csv", "pdf"):
        assert said in words_of(browser.get(f"/billing/statement/{file}?{days}", follow=True))


def test_too_many_entries_for_a_pdf_are_said_on_the_page(
    story: Story, console: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printed_statement, "MOST_PRINTED", 9)
    said = "More than 9 entries: choose fewer days, or the CSV."
    browser = browser_of(person(story.acme, "owner"))
    assert said in words_of(browser.get(f"/billing/statement/pdf?{DAYS}", follow=True))
    page = reverse("admin:metering_journalposting_statement")
    assert said in words_of(console.get(f"{page}?workspace={story.acme.pk}&{DAYS}&format=pdf"))
    answer = client_of(story.acme).get("/api/v1/statement/pdf", AUTUMN)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, said)


def test_people_who_may_not_see_invoices_see_no_statement(story: Story) -> None:
    browser = browser_of(person(story.acme, "viewer"))
    for page in ("statement", "statement/csv", "statement/pdf"):
        assert browser.get(f"/billing/{page}?{DAYS}").status_code == 403


def test_operators_see_that_of_any_workspace(story: Story, console: Client) -> None:
    page = reverse("admin:metering_journalposting_statement")
    said = words_of(console.get(page))
    assert "Choose what to report on above." in said
    assert "Opening balance" not in said
    asked = f"{page}?workspace={story.acme.pk}&{DAYS}"
    said = words_of(console.get(asked))
    assert "2026-08-15 Opening balance $0.00 $33.40 $0.00 -$33.40" in said
    assert "2026-10-19 Closing balance $178.50 $30.00 $0.00 $148.50" in said
    pdf: Any = console.get(f"{asked}&format=pdf")
    assert "Balance $148.50" in " ".join(text_of_pdf(pdf.content).split())
    answer: Any = console.get(f"{asked}&format=csv")
    assert len(answer.getvalue().decode("utf-8-sig").splitlines()) == 13
    noted = AuditEntry.objects.filter(action="report.downloaded").order_by("pk").values_list("target", "detail")
    days = {"of": story.acme.public_id, "days": "2026-08-15 to 2026-10-19"}
    assert list(noted) == [("statement", days | {"format": "pdf"}), ("statement", days | {"format": "csv"})]
    owner = console.get(reverse("admin:workspaces_workspace_change", args=[story.acme.pk]))
    assert f'href="{page}?workspace={story.acme.pk}"' in owner.content.decode()
