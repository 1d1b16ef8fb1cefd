"""Locks of payments are taken in the order of the architecture page, so that no two transactions wait in a circle."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from metering.invoicing.models import Invoice
from metering.payments.balance.transfer import transfer_credit
from metering.payments.collecting.attempts import begin_for_invoice, begin_for_top_up
from metering.payments.collecting.outcomes import end_attempt
from metering.payments.collecting.record import record_payment
from metering.payments.locks import lock_credit_of
from metering.payments.models import Payment, PaymentAccount, PaymentAttempt, TopUp
from metering.payments.provider.objects import Intent
from tests.kit.billing import OPS, credit
from tests.kit.concurrent import at_once, wait_until_blocking
from tests.kit.factories import NOW, make_workspace
from workspaces.locks import lock_workspace, lock_workspaces
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)
CARD = PaymentAttempt.Channel.SAVED_METHOD


def attempt_at(acme: Workspace, what: Invoice | TopUp) -> PaymentAttempt:
    account = PaymentAccount.objects.get_or_create(workspace=acme, defaults={"customer_id": "cus_1"})[0]
    return (
        begin_for_top_up(what, CARD, account, NOW)
        if isinstance(what, TopUp)
        else begin_for_invoice(what.pk, CARD, account, NOW)
    )


def top_up_of(acme: Workspace) -> TopUp:
    return TopUp.objects.create(workspace=acme, amount=Decimal("5.00"), created_at=NOW, created_by=OPS)


def pay(attempt: PaymentAttempt) -> Any:
    return record_payment(attempt, Intent("pi_1", "succeeded", attempt.amount, attempt.currency), NOW)


def decline(attempt: PaymentAttempt) -> Any:
    return end_attempt(attempt, PaymentAttempt.Status.DECLINED, "card_declined", "No funds.", NOW)


def in_thread(pool: ThreadPoolExecutor, act: Any) -> "Future[list[Any]]":
    return pool.submit(at_once, act)


@pytest.mark.parametrize("act", [pay, decline])
@pytest.mark.parametrize("kind", [Invoice, TopUp])
def test_an_attempt_is_locked_after_what_it_pays(acme: Workspace, invoice: Invoice, kind: Any, act: Any) -> None:
    what = invoice if kind is Invoice else top_up_of(acme)
    attempt = attempt_at(acme, what)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            kind.objects.select_for_update().get(pk=what.pk)
            waiting = in_thread(pool, lambda: act(attempt))
            wait_until_blocking()
            PaymentAttempt.objects.select_for_update(nowait=True).get(pk=attempt.pk)
        assert waiting.result(30) == [True if act is decline else Payment.objects.get()]
    attempt.refresh_from_db()
    assert attempt.status == ("succeeded" if act is pay else "declined")


def test_workspaces_with_credit_are_locked_in_the_order_of_their_keys_also_where_it_just_moved(acme: Workspace) -> None:
    labs = make_workspace("Acme Labs", email="bills@acme.example")
    paid = Payment.objects.create(
        workspace=labs,
        amount=Decimal("50.00"),
        grant=credit(labs, "50.00", "purchased"),
        method=Payment.Method.STRIPE,
        intent_id="pi_1",
        received_at=NOW,
        recorded_by=OPS,
    )
    is_locked = threading.Event()

    def take_back() -> None:
        with transaction.atomic():
            lock_credit_of([paid])

    def first_acme_then_labs() -> None:
        with transaction.atomic():
            lock_workspace(acme.pk)
            is_locked.set()
            wait_until_blocking()
            Workspace.objects.select_for_update(no_key=True).get(pk=labs.pk)  # in a circle one of both would fail

    assert acme.pk < labs.pk
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            lock_workspaces([acme.pk, labs.pk])
            taking_back = in_thread(pool, take_back)
            wait_until_blocking()
            transfer_credit(labs, acme, Decimal("20.00"), "split 1", OPS, NOW)
            other = in_thread(pool, first_acme_then_labs)
            wait_until_blocking(2)
        assert is_locked.wait(30)
        assert (other.result(30), taking_back.result(30)) == ([None], [None])
