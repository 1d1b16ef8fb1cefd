"""Locks of payments: the workspace first, then the invoice or the payment, until the transaction ends."""

from metering.payments.models import Payment
from workspaces.locks import lock_workspace


def lock_payment(payment_id: int) -> Payment:
    """The payment with this primary key and its workspace, as they are under the lock."""
    workspace = lock_workspace(Payment.objects.values_list("workspace", flat=True).get(pk=payment_id))
    payment = Payment.objects.select_for_update(of=("self",)).select_related("grant").get(pk=payment_id)
    payment.workspace = workspace
    return payment
