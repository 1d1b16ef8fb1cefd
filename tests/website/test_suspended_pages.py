"""A suspended workspace: every page says why its keys are refused, and leads to what ends it."""

from typing import Any

import pytest
from django.test import Client

from metering.invoicing.models import Invoice
from metering.payments.balance.suspension import USED_UP
from metering.payments.models import Dunning
from tests.kit.factories import NOW, make_key
from tests.kit.pages import text_of, words_of
from tests.kit.people import Browser
from tests.website.conftest import Tenant
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
PAST_DUE = "The invoice OMX-2026-00001 is overdue."


@pytest.fixture
def with_stripe(settings: Any) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_tests"


def suspend(*reasons: str) -> None:
    codes = {PAST_DUE: "past_due", USED_UP: "no_credit"}
    if PAST_DUE in reasons:
        Dunning.objects.create(invoice=Invoice.objects.get(), state="past_due", began_at=NOW, past_due_at=NOW)
    Workspace.objects.filter(name="Acme").update(
        suspended_at=NOW, suspensions=[codes[each] for each in reasons], suspended_because=" ".join(reasons)
    )


@pytest.mark.parametrize(
    "path", ["/", "/usage", "/usage/events", "/keys", "/invoices", "/billing", "/settings", "/models", "/accounts/email/"]
)
def test_every_page_of_a_member_says_it(with_stripe: None, invoice: Invoice, owner: Client, path: str) -> None:
    assert "suspended" not in words_of(owner.get(path))
    suspend(PAST_DUE)
    page = owner.get(path)
    assert (
        "Your live keys are suspended. Invoice OMX-2026-00001 is overdue. Live keys work again as soon as it is paid."
    ) in words_of(page)
    assert f'href="/invoices/{invoice.public_id}">Pay invoice OMX-2026-00001</a>' in text_of(page)
    assert "Buy credit</a>" not in text_of(page)


def test_used_up_credit_is_bought(with_stripe: None, acme: Tenant, owner: Client) -> None:
    suspend(USED_UP)
    page = owner.get("/keys")
    assert "Your prepaid credit is used up. Live keys work again as soon as you buy credit." in words_of(page)
    assert '<a class="button button--small" href="/billing#credits">Buy credit</a>' in text_of(page)


def test_without_stripe_no_button_promises_what_it_cannot_do(invoice: Invoice, owner: Client) -> None:
    suspend(PAST_DUE, USED_UP)
    page = owner.get("/")
    assert "Live keys work again as soon as the invoice is paid and Omixa Cloud adds credit. See invoice" in words_of(page)
    assert "Pay invoice" not in text_of(page)
    assert "Buy credit" not in text_of(page)


def test_both_reasons_are_said(with_stripe: None, invoice: Invoice, owner: Client) -> None:
    suspend(PAST_DUE, USED_UP)
    assert (
        "Invoice OMX-2026-00001 is overdue. Your prepaid credit is used up. "
        "Live keys work again as soon as the invoice is paid and you buy credit. "
        "Pay invoice OMX-2026-00001 Buy credit"
    ) in words_of(owner.get("/"))


def test_who_cannot_pay_is_sent_to_an_owner(invoice: Invoice, as_role: Browser) -> None:
    suspend(PAST_DUE)
    page = as_role("viewer").get("/")
    assert "as soon as it is paid. Ask an owner of the workspace." in words_of(page)
    assert "Pay invoice" not in words_of(page)


def test_keys_are_shown_as_suspended_and_admin_keys_are_not(acme: Tenant, owner: Client) -> None:
    make_key(acme.workspace, "admin", "back office")
    assert words_of(owner.get("/keys")).count("Active") == 2
    suspend(USED_UP)
    words = words_of(owner.get("/keys"))
    assert (words.count("Active"), words.count("Suspended")) == (1, 1)
    assert '<span class="badge badge--bad">Suspended</span>' in text_of(owner.get(f"/keys/{acme.key.public_id}"))


def test_a_stranger_reads_nothing_of_it(invoice: Invoice, client: Client) -> None:
    suspend(PAST_DUE)
    assert "suspended" not in words_of(client.get("/models"))
