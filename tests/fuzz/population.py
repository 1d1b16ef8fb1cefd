"""One row at least in every table that a page shows, so that no page is only fuzzed empty."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator

from metering.catalogue.models import LanguageModel
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import TaxRate
from metering.jobs.models import JobRun
from metering.payments.accounts.customers import account_of
from metering.payments.mails.models import Notice
from metering.payments.models import Dispute, Payment, PaymentAttempt
from metering.payments.webhooks.models import WebhookEvent
from metering.rollups.models import Rerating
from tests.kit.factories import NOW
from workspaces.members.invitations.invite import invite
from workspaces.models import Membership, User, Workspace


def populate() -> dict[str, str]:
    """Beside the world of tests/openapi. What parts of a path name, by their names."""
    acme = Workspace.objects.get(name="Acme")
    owner = User.objects.get(email="owner@acme.example")
    open_invoice = Invoice.objects.filter(workspace=acme).earliest("pk")
    viewer = User.objects.create_user("viewer@acme.example", "a long enough password")
    member = Membership.objects.create(workspace=acme, user=viewer, role="viewer")
    invitation, secret = invite(acme, "guest@acme.example", "viewer", owner, "the tests", NOW)
    account_of(acme)  # made when a page first shows it, which would be taken for what a form changed
    TaxRate.objects.create(name="VAT", percent=Decimal("19"))
    JobRun.objects.create(job="metering.close_due_months", outcome="failed", error="It failed.", result={"finalized": 1})
    payment = Payment.objects.create(
        workspace=acme,
        amount=Decimal("3.00"),
        method="by_hand",
        reference="a transfer",
        received_at=NOW,
        surplus="paid already",
    )
    times = {"opened_at": NOW, "updated_at": NOW}
    Dispute.objects.create(stripe_id="dp_1", payment=payment, amount=1, reason="fraudulent", status="needs_response", **times)
    about = {"workspace": acme, "invoice": open_invoice, "number": 1, "amount": 1, "customer_id": "cus_1"}
    PaymentAttempt.objects.create(idempotency_key="one", status="declined", message="No.", started_at=NOW, **about)
    arrived = {"created_at": NOW, "received_at": NOW}
    WebhookEvent.objects.create(event_id="evt_1", type="payment_intent.succeeded", payload={}, status="failed", **arrived)
    Notice.objects.create(workspace=acme, key="invoice_ready:inv_1", kind="invoice_ready", created_at=NOW)
    span = {"start": NOW - timedelta(days=30), "end": NOW, "created_at": NOW}
    Rerating.objects.create(actor="the tests", reason="wrong", model=LanguageModel.objects.first(), workspace=acme, **span)
    EmailAddress.objects.create(user=owner, email=owner.email, primary=True, verified=True)
    Authenticator.objects.create(user=viewer, type="totp", data={"secret": "x"})
    return {"invitation_id": invitation.public_id, "secret": secret or "", "member_id": str(member.pk)}
