"""A year of two customers, act by act, whose every report is known by hand.

Acme pays 19 % VAT, thirty days after its invoices; Beta pays no tax. In USD, usage at 1.50 a million tokens.
"""

from decimal import Decimal

from metering.credits import ledger
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.lifecycle.void import mark_uncollectible
from metering.invoicing.models import Invoice
from metering.payments.balance.expiry import expire_due_credits
from metering.payments.collecting.manual import mark_paid
from metering.payments.models import Payment
from metering.payments.refunds.refunds import refund
from metering.payments.refunds.reversals import issue_credit_note, void_invoice
from metering.payments.top_ups.purchase import SAVED, begin_top_up, pay_top_up
from metering.periods import parse_month
from tests.kit.billing import OPS, Meter, agree, at, tokens
from tests.kit.factories import make_key, make_workspace
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from workspaces.models import APIKey, Workspace


class Story:
    """The acts until 20 October, in the order of their days. `more` adds what happens after it."""

    def __init__(self, key: APIKey, use: Meter, stripe: StripeServer) -> None:
        self.key, self.use, self.stripe = key, use, stripe
        self.acme: Workspace = key.workspace
        self.beta = make_workspace("Beta", email="bills@beta.example")
        agree(self.acme, {"VAT": "19"}, payment_days=30)
        agree(self.beta, payment_days=30)
        self.acts()

    def acts(self) -> None:
        account = with_method(self.acme, self.stripe)
        # March: bought credit of 40.00 that expires unused.
        ledger.grant(self.acme, "purchased", Decimal("40.00"), OPS, at("03-01T09:00"), expires_at=at("03-10T00:00"))
        expire_due_credits(at("04-15T09:00"))
        # June: 200.00 bought by transfer, 10.00 of promotional credit.
        ledger.grant(self.acme, "purchased", Decimal("200.00"), OPS, at("06-20T09:00"))
        ledger.grant(self.acme, "promotional", Decimal("10.00"), OPS, at("06-21T09:00"))
        # July: 150.00, less 10.00 promotional, and 26.60 of tax: 166.60 of bought credit.
        self.july = self.bill(self.key, "07", 100, "08-01T06:00")
        # August: 300.00 and 57.00 of tax, less the 33.40 that are left: 323.60 due.
        self.august = self.bill(self.key, "08", 200, "09-01T06:00")
        self.beta_august = self.bill(make_key(self.beta), "08", 10, "09-01T06:01")
        # 100.00 of August and its 19.00 of tax are credited: 204.60 due.
        line = self.august.lines.get()
        amounts = {line.public_id: Decimal("100.00")}
        issue_credit_note(self.august.pk, amounts, "an outage", "balance", OPS, at("09-20T09:00"))
        # September: 178.50 due; paid is August.
        self.september = self.bill(self.key, "09", 100, "10-01T06:00")
        mark_paid(self.august.pk, "transfer 17", OPS, at("10-03T09:00"))
        # 50.00 bought by card, 20.00 of it given back.
        pay_top_up(begin_top_up(account, Decimal("50.00"), SAVED, OPS, at("10-06T09:00")), at("10-06T09:00"))
        bought = Payment.objects.get(grant__isnull=False)
        refund(bought.pk, Decimal("20.00"), "asked for", OPS, at("10-08T09:00"))

    def more(self) -> None:
        """September is voided, Beta's August is written off, and what is left of the credit is used by the month after."""
        void_invoice(self.september.pk, "a mistake", OPS, at("11-05T09:00"))
        mark_uncollectible(self.beta_august.pk, "bankrupt", OPS, at("11-06T09:00"))
        self.bill(self.key, "10", 10, "11-07T06:00")

    def bill(self, key: APIKey, month: str, millions: int, now: str) -> Invoice:
        self.use(key, f"{month}-14T10:00", usage=tokens(input=millions * 1_000_000), now=at(now))
        (made,) = close_workspaces(parse_month(f"2026-{month}"), at(now), workspace=key.workspace, finalize=True)
        return made
