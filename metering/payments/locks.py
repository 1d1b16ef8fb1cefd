"""Locks of payments, until the transaction ends: the workspace, then an invoice or top-up and its attempt, or the payment."""

from collections.abc import Iterable, Iterator

from django.db import transaction

from metering.credits.models import CreditGrant
from metering.credits.recalls import grants_with
from metering.invoicing.locks import lock_invoice
from metering.payments.models import Payment, PaymentAttempt, TopUp
from workspaces.locks import lock_workspace, lock_workspaces


def lock_attempt(attempt_id: int) -> PaymentAttempt:
    """The attempt with this primary key, its workspace and its invoice or top-up, as they are under the lock."""
    found = PaymentAttempt.objects.get(pk=attempt_id)
    invoice = None if found.invoice_id is None else lock_invoice(found.invoice_id)
    workspace = lock_workspace(found.workspace_id) if invoice is None else invoice.workspace
    top_up = None if found.top_up_id is None else TopUp.objects.select_for_update().get(pk=found.top_up_id)
    attempt = PaymentAttempt.objects.select_for_update().get(pk=attempt_id)
    attempt.workspace, attempt.invoice, attempt.top_up = workspace, invoice, top_up
    return attempt


def lock_payment(payment_id: int) -> Payment:
    """The payment with this primary key and its workspace, as they are under the lock."""
    workspace = lock_workspace(Payment.objects.values_list("workspace", flat=True).get(pk=payment_id))
    payment = Payment.objects.select_for_update(of=("self",)).select_related("grant").get(pk=payment_id)
    payment.workspace = workspace
    return payment


def lock_payment_with_credit(payment_id: int) -> Payment:
    """The same, with the workspaces that have credit now which it paid for: a bank or Stripe may take all of it back."""
    lock_credit_of(Payment.objects.filter(pk=payment_id))
    return lock_payment(payment_id)


def lock_credit_of(payments: Iterable[Payment]) -> None:
    """Their workspaces and those with their credit, all of them in the order of their keys.

    Where credit was transferred on meanwhile, the locks are given back and taken again together with those of the workspaces
    that have it now. To lock one of a lower key after the others could end in a circle.
    """
    found = list(payments)
    wanted = _workspaces_of(found)
    while True:
        before = transaction.savepoint()
        lock_workspaces(wanted)
        by_now = _workspaces_of(found)
        if by_now <= wanted:
            transaction.savepoint_commit(before)
            return
        transaction.savepoint_rollback(before)
        wanted |= by_now


def _workspaces_of(payments: Iterable[Payment]) -> set[int]:
    return {pk for payment in payments for pk in _workspaces_of_one(payment)}


def _workspaces_of_one(payment: Payment) -> Iterator[int]:
    yield payment.workspace_id
    bought = [payment.grant_id, *payment.kept_parts.values_list("grant", flat=True)]
    for grant in CreditGrant.objects.filter(pk__in=[each for each in bought if each is not None]):
        yield from (each.workspace_id for each in grants_with(grant))
