"""Stories of money, in acts that are repeated until all is done: what jobs, people and Stripe's events do meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from metering.errors import InvoiceNotOpen, PaymentInProgress
from metering.invoicing.models import Invoice
from metering.payments.accounts.customers import account_of
from metering.payments.accounts.methods import setup_page
from metering.payments.collecting import attempts
from metering.payments.collecting.collect import collect_due, collect_invoice, payment_page
from metering.payments.models import Dispute, Payment, PaymentAttempt, Refund, TopUp
from metering.payments.provider.errors import ProviderUnavailable
from metering.payments.refunds import refunds
from metering.payments.refunds.reversals import void_invoice
from metering.payments.top_ups import purchase
from metering.payments.webhooks.inbox import handle_waiting, store_webhook
from metering.payments.webhooks.models import WebhookEvent
from tests.kit.factories import NOW
from tests.kit.paying import with_method
from tests.kit.stripe_server import BANK, DECLINED, GOOD, StripeServer
from tests.payments.collecting.crash import Died, Process
from workspaces.models import Workspace

# Every five minutes, and then a day later, when Stripe has forgotten its keys.
ROUNDS = [timedelta(minutes=5 * number) for number in range(8)] + [timedelta(hours=25, minutes=5 * n) for n in range(4)]
FORGOTTEN = timedelta(hours=25)


@dataclass
class World:
    """What a story is about. `act` is a process that may fail or be killed, and is started again by the next."""

    stripe: StripeServer
    acme: Workspace
    invoice: Invoice
    process: Process = field(default_factory=Process)

    def act(self, act: Callable[..., Any], *arguments: Any) -> Any:
        try:
            with self.process.at_work():
                return act(*arguments)
        except (Died, ProviderUnavailable, InvoiceNotOpen, PaymentInProgress):
            return None

    def jobs(self, now: datetime) -> None:
        for job in (attempts.recover_attempts, refunds.recover_refunds, handle_waiting):
            self.act(job, now)

    def deliver(self, kind: str, about: dict[str, Any], now: datetime) -> None:
        """Stripe sends an event, with the same id until it is answered."""
        known = [each for each in self.stripe.of("event") if each["type"] == kind]
        event = known[0] if known else self.stripe.event(kind, about)
        self.act(store_webhook, *self.stripe.signed(event), now)

    def open_session(self) -> dict[str, Any] | None:
        """A page whose address a person was given."""
        opened = PaymentAttempt.objects.exclude(session_url="").values_list("session_id", flat=True)
        found = [self.stripe.objects[each] for each in opened if self.stripe.objects[each]["status"] == "open"]
        return found[0] if found else None

    def pay_on_page(self) -> None:
        session = self.open_session()
        if session is not None:
            self.stripe.complete(session["id"])


class Story:
    """`round` is what happens at one time; a story is over when it is `done`, and then is `checked`."""

    def prepare(self, world: World) -> None:
        with_method(world.acme, world.stripe)

    def round(self, world: World, now: datetime) -> None:
        raise NotImplementedError

    def done(self, world: World) -> bool:
        return Invoice.objects.get(pk=world.invoice.pk).status == "paid"

    def check(self, world: World) -> None:
        exactly_one_payment(world)

    def tell(self, world: World) -> None:
        """Until it is done, and once more, when nothing is to happen any more."""
        over = False
        for after in ROUNDS:
            if after == FORGOTTEN:
                world.stripe.prune_keys()
            self.round(world, NOW + after)
            if over:
                return
            over = self.done(world) and not unsettled()


class SavedMethod(Story):
    def round(self, world: World, now: datetime) -> None:
        world.act(collect_due, now)
        world.jobs(now)


class DeclinedThenPaid(SavedMethod):
    """The declined payment is canceled; then another card is saved."""

    def prepare(self, world: World) -> None:
        with_method(world.acme, world.stripe, DECLINED)

    def round(self, world: World, now: datetime) -> None:
        super().round(world, now)
        account = account_of(world.acme)
        if PaymentAttempt.objects.filter(status="declined").exists() and account.method_id.startswith(DECLINED):
            account.method_id = world.stripe.save_method(str(account.customer_id), GOOD)
            account.save()
        if account.method_id.startswith(GOOD):
            world.act(collect_invoice, world.invoice.pk, now)

    def check(self, world: World) -> None:
        exactly_one_payment(world)
        assert sorted(each["status"] for each in world.stripe.of("payment_intent")) == ["canceled", "succeeded"]


class Page(Story):
    def prepare(self, world: World) -> None:
        pass

    def round(self, world: World, now: datetime) -> None:
        if world.open_session() is None:
            world.act(payment_page, world.invoice, now)
        world.pay_on_page()
        world.jobs(now)


class CustomerAndSetup(Story):
    """Of a workspace that Stripe does not know: a customer is made, a card saved, the invoice collected."""

    def prepare(self, world: World) -> None:
        pass

    def round(self, world: World, now: datetime) -> None:
        account = account_of(world.acme)
        if not account.method_id:
            world.act(setup_page, world.acme, now)
            account.refresh_from_db()
            session = world.stripe.objects.get(account.setup_session_id)
            if session is not None and session["status"] == "open":
                world.stripe.complete(session["id"])
            if session is not None:
                world.deliver("checkout.session.completed", session, now)
        world.act(collect_due, now)
        world.jobs(now)

    def check(self, world: World) -> None:
        exactly_one_payment(world)
        assert [each["id"] for each in world.stripe.of("customer")] == [account_of(world.acme).customer_id]


class VoidedPage(Story):
    """A page is open, and the invoice is voided: nobody can pay it any more."""

    def prepare(self, world: World) -> None:
        pass

    def round(self, world: World, now: datetime) -> None:
        if PaymentAttempt.objects.exclude(session_id="").exists():
            world.act(void_invoice, world.invoice.pk, "mistake", "ops", now)
        else:
            world.act(payment_page, world.invoice, now)
        world.jobs(now)

    def done(self, world: World) -> bool:
        return Invoice.objects.get(pk=world.invoice.pk).status == "void"

    def check(self, world: World) -> None:
        assert (Payment.objects.count(), world.stripe.succeeded(), unsettled()) == (0, [], False)
        opened = PaymentAttempt.objects.exclude(session_id="").values_list("session_id", flat=True)
        assert {world.stripe.objects[each]["status"] for each in opened} == {"expired"}


class Bought(Story):
    """A top-up. One that came to nothing is bought again, by a new click."""

    method = purchase.SAVED

    def round(self, world: World, now: datetime) -> None:
        failed = TopUp.objects.filter(status="failed").count()
        world.act(purchase.buy_credit, world.acme, Decimal("50.00"), self.method, f"click-{failed}", "ops", now)
        world.pay_on_page()
        world.jobs(now)

    def done(self, world: World) -> bool:
        return TopUp.objects.filter(status="paid").exists()

    def check(self, world: World) -> None:
        assert [each["amount"] for each in world.stripe.succeeded()] == [5000]
        (payment,) = Payment.objects.all()
        paid = TopUp.objects.get(status="paid")
        assert (payment.amount, payment.surplus, payment.grant, paid.grant) == (Decimal("50.00"), "", paid.grant, payment.grant)
        assert (TopUp.objects.filter(status="pending").exists(), unsettled()) == (False, False)


class BoughtOnPage(Bought):
    method = purchase.PAGE

    def prepare(self, world: World) -> None:
        pass


class GivenBack(Story):
    def prepare(self, world: World) -> None:
        with_method(world.acme, world.stripe)
        collect_due(NOW)

    def round(self, world: World, now: datetime) -> None:
        if not Refund.objects.exists():
            payment = Payment.objects.get()
            world.act(refunds.refund, payment.pk, Decimal("50.00"), "too much", "ops", now)
        world.jobs(now)

    def done(self, world: World) -> bool:
        return Refund.objects.filter(status="succeeded").exists()

    def check(self, world: World) -> None:
        exactly_one_payment(world)
        assert [each["amount"] for each in world.stripe.of("refund")] == [5000]
        assert [(each.amount, each.status) for each in Refund.objects.all()] == [(Decimal("50.00"), "succeeded")]
        assert Payment.objects.get().refunded == Decimal("50.00")


class ToldByWebhook(Story):
    """A bank debit that comes through: Stripe tells of it, and nobody asks."""

    def prepare(self, world: World) -> None:
        with_method(world.acme, world.stripe, BANK)
        collect_due(NOW)
        world.stripe.settle(world.stripe.of("payment_intent")[0]["id"])

    def round(self, world: World, now: datetime) -> None:
        world.deliver("payment_intent.succeeded", world.stripe.of("payment_intent")[0], now)
        world.act(handle_waiting, now)


class Disputed(Story):
    def prepare(self, world: World) -> None:
        with_method(world.acme, world.stripe)
        collect_due(NOW)
        world.stripe.dispute(world.stripe.of("payment_intent")[0]["id"])

    def round(self, world: World, now: datetime) -> None:
        world.deliver("charge.dispute.created", world.stripe.of("dispute")[0], now)
        world.act(handle_waiting, now)

    def done(self, world: World) -> bool:
        return Dispute.objects.exists()

    def check(self, world: World) -> None:
        exactly_one_payment(world)
        assert [(each.payment, each.amount, each.status) for each in Dispute.objects.all()] == [
            (Payment.objects.get(), Decimal("150.00"), "needs_response")
        ]


STORIES: list[type[Story]] = [
    SavedMethod,
    DeclinedThenPaid,
    Page,
    CustomerAndSetup,
    VoidedPage,
    Bought,
    BoughtOnPage,
    GivenBack,
    ToldByWebhook,
    Disputed,
]


def unsettled() -> bool:
    """Whether anything is still on its way."""
    attempts_left = PaymentAttempt.objects.unsettled()
    refunds_left = Refund.objects.unsettled()
    events_left = WebhookEvent.objects.filter(status__in=["waiting", "failed"])
    return attempts_left.exists() or refunds_left.exists() or events_left.exists()


def exactly_one_payment(world: World) -> None:
    """Of the invoice, over exactly what was due, at Stripe and here; and nothing is on its way."""
    invoice = Invoice.objects.get(pk=world.invoice.pk)
    assert [intent["amount"] for intent in world.stripe.succeeded()] == [15000]
    assert [(each.amount, each.invoice_id, each.surplus) for each in Payment.objects.all()] == [
        (Decimal("150.00"), invoice.pk, "")
    ]
    assert (invoice.status, invoice.amount_paid, invoice.amount_due) == ("paid", Decimal("150.00"), Decimal("0.00"))
    assert not unsettled()
