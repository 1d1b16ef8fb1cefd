"""Fees and manual lines of a workspace in the console."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client

from metering.invoicing.fees.models import AgreedFee, ManualLine
from tests.kit.operator import facts_about_money, send_form
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db


def url(workspace: Workspace, act: str) -> str:
    return f"/admin/workspaces/workspace/{workspace.pk}/{act}/"


def test_a_fee_is_set_and_changed_and_the_page_says_what_was_agreed(console: Client, acme: Workspace) -> None:
    seats = {"name": "Seats", "monthly": "10.00"}
    page = send_form(console, url(acme, "set-fee"), seats="5", first="2026-09-01", **seats)
    assert "“Seats” is set." in page.content.decode()
    send_form(console, url(acme, "set-fee"), seats="8", first="2026-09-15", until="2027-01-01", **seats)
    send_form(console, url(acme, "set-fee"), name="Platform fee", monthly="99.00", first="2026-10-01")
    assert facts_about_money(console, acme)["Fees"] == (
        "Platform fee: $99.00 a month from 2026-10-01 on; Seats: 5 at $10.00 a month from 2026-09-01 until 2026-09-15, "
        "8 at $10.00 a month from 2026-09-15 until 2027-01-01"
    )
    last = AgreedFee.objects.order_by("pk")[1]
    assert (last.effective_from, last.ends_at) == (datetime(2026, 9, 15, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert (last.monthly, last.seats) == (Decimal("10.00"), 8)
    assert {each.actor for each in AuditEntry.objects.filter(action="fee.set")} == {"operator@omixa.example"}


def test_a_line_is_added_once_however_often_its_form_is_sent(console: Client, acme: Workspace) -> None:
    page = console.get(url(acme, "add-line"))
    asked = {"month": "2026-09", "text": "Outage of 3 September", "amount": "-12.50"}
    asked["form_token"] = page.context["form_token"]
    for _ in range(2):
        answer = console.post(url(acme, "add-line"), asked, follow=True)
    assert "already sent" in answer.content.decode()
    line = ManualLine.objects.get()
    assert (line.text, line.amount, f"{line.month:%Y-%m-%d}") == ("Outage of 3 September", Decimal("-12.50"), "2026-09-01")


@pytest.mark.parametrize(
    ("act", "asked", "words"),
    [
        (
            "set-fee",
            {"name": "Fee", "monthly": "1", "first": "2026-09-02", "until": "2026-09-02"},
            "ends after the day it begins",
        ),
        ("set-fee", {"name": "Fee", "monthly": "-1", "first": "2026-09-02"}, "greater than or equal to 0"),
        ("set-fee", {"name": "Fee", "monthly": "1", "first": "soon"}, "Enter a valid date."),
        ("add-line", {"month": "May", "text": "Setup", "amount": "1"}, "is not a month"),
        ("add-line", {"month": "2026-09", "text": "Setup", "amount": "0"}, "at least one cent"),
        ("add-line", {"month": "2026-09", "text": "Setup", "amount": "1.001"}, "no more than 2 decimal places"),
    ],
)
def test_what_will_not_do_is_said(console: Client, acme: Workspace, act: str, asked: dict[str, str], words: str) -> None:
    assert words in send_form(console, url(acme, act), **asked).content.decode()
    assert (AgreedFee.objects.count(), ManualLine.objects.count()) == (0, 0)
