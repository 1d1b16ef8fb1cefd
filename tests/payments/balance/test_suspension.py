"""Live keys are refused for every reason that stands, and work again when none does: decided in one place, from what is so."""

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from metering.credits import ledger
from metering.invoicing.models import Invoice
from metering.invoicing.terms.change import save_terms
from metering.invoicing.terms.models import BillingTerms
from metering.limits.changed import BillingChange, billing_changed
from metering.payments.balance import spendable, suspension
from metering.payments.balance.suspension import update_suspension, update_suspensions
from metering.payments.collecting.collect import collect_invoice
from metering.payments.collecting.dunning import dun
from metering.payments.collecting.manual import mark_paid
from metering.payments.refunds.reversals import void_invoice
from tests.kit.billing import Meter, an_invoice
from tests.kit.concurrent import wait_until_another_waits
from tests.kit.factories import NOW, make_workspace
from workspaces.locks import lock_workspace
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db
USED_UP = "Its prepaid credit is used up."
LATER = NOW + timedelta(days=22)


def agree(workspace: Workspace, **terms: Any) -> None:
    save_terms(workspace, terms, None, "ops", NOW)


def dun_to_the_end() -> None:
    for day in (14, 17, 19, 21):
        dun(NOW + timedelta(days=day), collect_invoice)


def why(workspace: Workspace) -> str:
    workspace.refresh_from_db()
    codes = {"is overdue.": "past_due", "credit is used up.": "no_credit"}
    assert workspace.suspensions == [code for sentence, code in codes.items() if sentence in workspace.suspended_because]
    assert (workspace.suspended_at is not None) == bool(workspace.suspended_because)
    return workspace.suspended_because


def trail() -> list[tuple[str, str | None]]:
    entries = AuditEntry.objects.filter(action__startswith="workspace.").order_by("id")
    return [(each.action.removeprefix("workspace."), each.detail.get("reason")) for each in entries]


def test_other_terms_are_followed_at_once(acme: Workspace, invoice: Invoice) -> None:
    agree(acme, suspend_when_past_due=True)
    dun_to_the_end()
    because = f"The invoice {invoice.number} is overdue."
    assert why(acme) == because
    agree(acme, suspend_when_past_due=False)
    assert why(acme) == ""
    agree(acme, suspend_when_past_due=True)
    assert why(acme) == because
    assert trail() == [("suspended", because), ("unsuspended", None), ("suspended", because)]


def test_money_is_kept_when_the_balance_cannot_be_told(acme: Workspace, invoice: Invoice, monkeypatch: Any) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("the rollups contradict each other")

    with monkeypatch.context() as patch:
        patch.setattr(spendable, "balance_of", broken)
        agree(acme, mode="prepaid")
        assert mark_paid(invoice.pk, "transfer 1", "ops", NOW).status == "paid"
    assert (update_suspensions(NOW)["suspended"], why(acme)) == (1, USED_UP)


def test_paying_what_is_past_due_opens_no_prepaid_workspace_without_credit(acme: Workspace, invoice: Invoice) -> None:
    agree(acme, suspend_when_past_due=True, mode="prepaid")
    dun_to_the_end()
    because = f"The invoice {invoice.number} is overdue. {USED_UP}"
    assert why(acme) == because
    mark_paid(invoice.pk, "transfer", "ops", LATER)
    assert (why(acme), acme.suspended_at) == (USED_UP, NOW)
    ledger.grant(acme, "goodwill", Decimal("5.00"), "ops", LATER)
    assert why(acme) == ""
    assert trail() == [("suspended", USED_UP), ("suspended", because), ("suspended", USED_UP), ("unsuspended", None)]


def test_credit_taken_back_and_given_is_followed_at_once(acme: Workspace) -> None:
    granted = ledger.grant(acme, "goodwill", Decimal("5.00"), "ops", NOW)
    agree(acme, mode="prepaid")
    assert why(acme) == ""
    ledger.reverse(granted, "a mistake", "ops", NOW)
    assert why(acme) == USED_UP
    ledger.grant(acme, "goodwill", Decimal("1.00"), "ops", NOW)
    assert why(acme) == ""


def test_nothing_follows_from_what_is_rolled_back(acme: Workspace) -> None:
    granted = ledger.grant(acme, "goodwill", Decimal("5.00"), "ops", NOW)
    agree(acme, mode="prepaid")
    with transaction.atomic():
        ledger.reverse(granted, "a mistake", "ops", NOW)
        transaction.set_rollback(True)
    assert (why(acme), trail()) == ("", [])


def test_what_changes_twice_in_one_transaction_is_decided_about_once(acme: Workspace, use: Meter, monkeypatch: Any) -> None:
    """An invoice partly paid from credit and past due is voided: the credit comes back and its dunning ends."""
    ledger.grant(acme, "goodwill", Decimal("50.00"), "ops", NOW)
    invoice = an_invoice(acme, use)
    agree(acme, suspend_when_past_due=True)
    dun_to_the_end()
    assert (invoice.credits_applied, why(acme)) == (Decimal("50.00"), f"The invoice {invoice.number} is overdue.")
    decided: list[Any] = []

    def update(*about: Any) -> str:
        decided.append(about)
        return update_suspension(*about)

    monkeypatch.setattr(suspension, "update_suspension", update)
    void_invoice(invoice.pk, "mistake", "ops", LATER)
    assert (decided, why(acme)) == ([(acme.pk, LATER)], "")


def test_a_change_that_is_undone_does_not_hide_a_later_one(acme: Workspace) -> None:
    agree(acme, mode="prepaid")
    with transaction.atomic():
        with transaction.atomic():
            ledger.grant(acme, "goodwill", Decimal("5.00"), "ops", NOW)
            transaction.set_rollback(True)
        assert BillingChange(acme.pk, NOW) not in [act for _, act, _ in connection.run_on_commit]
        ledger.grant(acme, "goodwill", Decimal("1.00"), "ops", NOW)
    assert why(acme) == ""


@pytest.mark.django_db(transaction=True)
def test_what_follows_comes_after_the_commit(acme: Workspace) -> None:
    """Others may already see the credit, or its absence, when the keys are decided about."""
    agree(acme, mode="prepaid")
    assert why(acme) == USED_UP
    with transaction.atomic():
        ledger.grant(acme, "goodwill", Decimal("5.00"), "ops", NOW)
        assert why(acme) == USED_UP
    assert why(acme) == ""


def test_the_watch_makes_up_for_a_process_that_died_after_the_commit(acme: Workspace) -> None:
    agree(acme, mode="prepaid")
    billing_changed.disconnect(dispatch_uid="suspension")
    try:
        ledger.grant(acme, "goodwill", Decimal("5.00"), "ops", NOW)
    finally:
        billing_changed.connect(suspension.after_change, dispatch_uid="suspension")
    assert why(acme) == USED_UP
    assert (update_suspensions(NOW)["lifted"], why(acme)) == (1, "")


def test_a_sandbox_needs_no_credit(acme: Workspace) -> None:
    sandbox = make_workspace("Playground", sandbox=True)
    agree(sandbox, mode="prepaid")
    assert (update_suspension(sandbox.pk, NOW), why(sandbox)) == ("", "")


def test_one_that_cannot_be_judged_does_not_stop_the_others(acme: Workspace, monkeypatch: Any) -> None:
    beta = make_workspace("Beta")
    for workspace in (acme, beta):
        BillingTerms.objects.create(workspace=workspace, mode="prepaid")
    balance_of = spendable.balance_of

    def broken(workspace: Workspace, now: Any) -> Any:
        if workspace.pk == acme.pk:
            raise LookupError("no balance")
        return balance_of(workspace, now)

    monkeypatch.setattr(spendable, "balance_of", broken)
    assert update_suspensions(NOW) == {"suspended": 1, "lifted": 0, "failed": 1}
    assert (why(acme), why(beta)) == ("", USED_UP)


@pytest.mark.django_db(transaction=True)
def test_credit_bought_meanwhile_is_not_overlooked(acme: Workspace) -> None:
    """The balance is read when nobody else can move it any more."""
    BillingTerms.objects.create(workspace=acme, mode="prepaid")
    said: list[str] = []

    def watch() -> None:
        try:
            said.append(update_suspension(acme.pk, NOW))
        finally:
            connection.close()

    thread = threading.Thread(target=watch)
    with transaction.atomic():
        lock_workspace(acme.pk)
        thread.start()
        wait_until_another_waits()
        ledger.grant(acme, "purchased", Decimal("50.00"), "ops", NOW)
    thread.join()
    assert (said, why(acme), trail()) == ([""], "", [])
