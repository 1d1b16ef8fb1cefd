"""Mails in the console: what was written to whom, in the words that they read, and what became of it."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from metering.payments.mails.models import Notice
from metering.payments.mails.outbox import add_notice
from tests.console.conftest import World
from tests.kit.factories import NOW

pytestmark = pytest.mark.django_db
LISTING = reverse("admin:metering_notice_changelist")
CONTEXT = {"invoice_id": "inv_1", "number": "OMX-2026-00001", "total": "7.50", "amount_due": "7.50", "month": "September 2026"}


@pytest.fixture
def notice(world: World) -> Notice:
    add_notice(world.acme, "invoice_paid", "invoice_paid:inv_1", CONTEXT, NOW)
    return Notice.objects.get()


def words(console: Client, page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", console.get(page).content.decode()).split())


def page_of(notice: Notice) -> str:
    return reverse("admin:metering_notice_change", args=[notice.pk])


def test_the_page_shows_the_mail_and_not_what_it_is_made_of(console: Client, notice: Notice) -> None:
    page = words(console, page_of(notice))
    assert "Subject Invoice OMX-2026-00001 is paid" in page
    assert "To billing@acme.example" in page
    assert "Thank you: your payment has arrived. Invoice: OMX-2026-00001 Total: 7.50 USD" in page
    assert "Kind Invoice paid" in page
    assert "Mails chevron_right Invoice OMX-2026-00001 is paid" in page
    assert "amount_due" not in page
    assert f'href="{reverse("admin:metering_invoice_changelist")}?q=inv_1"' in console.get(page_of(notice)).content.decode()


@pytest.mark.parametrize(
    ("now", "state", "said"),
    [
        ({}, "waiting", "Sent (UTC) not yet"),
        ({"sent_at": NOW}, "sent", "Sent (UTC) 2026-10-15 12:00:00"),
        (
            {"tries": 1, "error": "SMTPDataError: no", "next_try_at": NOW + timedelta(minutes=2)},
            "failed",
            "Sent (UTC) no, after 1 try; again at 2026-10-15 12:02:00",
        ),
    ],
)
def test_its_state_is_said(console: Client, notice: Notice, now: dict[str, object], state: str, said: str) -> None:
    Notice.objects.filter(pk=notice.pk).update(**now)
    assert said in words(console, page_of(notice))
    assert f"Invoice OMX-2026-00001 is paid Acme {state}" in words(console, LISTING)


def test_a_mail_of_another_version_is_said_to_be_one(console: Client, notice: Notice) -> None:
    Notice.objects.filter(pk=notice.pk).update(kind="something_else")
    assert "Its text cannot be shown: another version of this product wrote it." in words(console, page_of(notice))
    assert "Something else" in words(console, LISTING)


def test_mails_are_found_by_kind_and_workspace(console: Client, notice: Notice) -> None:
    def found(**asked: str) -> int:
        return len(console.get(LISTING, asked).context["cl"].result_list)

    assert (found(kind="invoice_paid"), found(kind="past_due")) == (1, 0)
    assert (found(q="Acm"), found(q="invoice_paid:inv_1"), found(q="nobody")) == (1, 1, 0)
