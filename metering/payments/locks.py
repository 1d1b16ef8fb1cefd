"""Locks of payments: the workspace first, then the invoice or the payment, until the transaction ends."""

from collections.abc import Iterable, Iterator

from metering.credits.models import CreditGrant
from metering.credits.recalls import grants_with
from metering.payments.models import Payment
from workspaces.locks import lock_workspace, lock_workspaces


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
    """Their workspaces and those with their credit, in the order of their keys, but for what is transferred in this moment."""
    found, locked = list(payments), set[int]()
    while missing := {pk for payment in found for pk in _workspaces_of(payment)} - locked:
        lock_workspaces(missing)
        locked |= missing


def _workspaces_of(payment: Payment) -> Iterator[int]:
    yield payment.workspace_id
    bought = [payment.grant_id, *payment.kept_parts.values_list("grant", flat=True)]
    for grant in CreditGrant.objects.filter(pk__in=[each for each in bought if each is not None]):
        yield from (each.workspace_id for each in grants_with(grant))
