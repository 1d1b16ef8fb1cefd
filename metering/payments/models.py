"""Money that moves: attempts to collect, payments, refunds, disputes, top-ups, and what Stripe tells of them."""

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils import timezone

from metering.credits.models import CreditGrant
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice
from metering.payments.querysets import DisputeQuerySet, PaymentAttemptQuerySet, PaymentQuerySet, RefundQuerySet
from workspaces.ids import new_id
from workspaces.models import Workspace


def payment_id() -> str:
    return new_id("pay")


def refund_id() -> str:
    return new_id("ref")


def top_up_id() -> str:
    return new_id("top")


def money_field(**extra: object) -> models.DecimalField:
    """An amount of money, in the row's currency."""
    return models.DecimalField(max_digits=20, decimal_places=2, **extra)  # type: ignore[arg-type]


class PaymentAccount(models.Model):
    """A workspace at Stripe: its customer, and the saved method that invoices are collected from."""

    workspace = models.OneToOneField(Workspace, on_delete=models.PROTECT, related_name="payment_account")
    customer_id = models.CharField(max_length=255, unique=True, null=True)
    # The latest page for saving a method, so that asking twice gives one page.
    setup_session_id = models.CharField(max_length=255, default="")
    # When the setup that saved the method was begun at Stripe: news of older ones is late. Null where that is not known.
    method_set_up_at = models.DateTimeField(null=True)
    method_id = models.CharField(max_length=255, default="")
    # "card" or "us_bank_account"; empty without a method.
    method_kind = models.CharField(max_length=40, default="")
    # What a page shows of it, such as brand "visa" and last four "4242".
    brand = models.CharField(max_length=60, default="")
    last_four = models.CharField(max_length=4, default="")
    expires_year = models.SmallIntegerField(null=True)
    expires_month = models.SmallIntegerField(null=True)
    # Top-ups by itself: null threshold means off.
    top_up_below = money_field(null=True)
    top_up_amount = money_field(null=True)
    top_ups_per_day = models.PositiveSmallIntegerField(default=3)
    # Since when automatic top-ups are stopped by a decline, and the bank's message; null and empty while they run.
    top_ups_stopped_at = models.DateTimeField(null=True)
    top_up_stopped = models.CharField(max_length=300, default="")
    # The balance below which a mail goes out, once per crossing; null: none.
    low_balance = money_field(null=True)
    low_balance_told_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.workspace} at Stripe"


class StripeCall(models.Model):
    """What Stripe is asked to make under an idempotency key. Written down before each call: see provider/calls.py."""

    # When Stripe was last asked to make it and did not refuse; null: never.
    asked_at = models.DateTimeField(null=True)
    # The process that asks has the row to itself until then, even if it dies.
    busy_until = models.DateTimeField(null=True)
    # Stripe answered that it failed, or that the key was used otherwise: under this key it says so for ever.
    key_spent = models.BooleanField(default=False)
    # What Stripe said last that was no answer, in its words: for operators, never for customers.
    trouble = models.TextField(default="")

    class Meta:
        abstract = True


class PaymentAttempt(StripeCall):
    """One try to collect one amount. Written before Stripe is asked; its key makes asking again the same try."""

    class Status(models.TextChoices):
        STARTED = "started", "Started"
        PROCESSING = "processing", "Processing"
        SUCCEEDED = "succeeded", "Succeeded"
        DECLINED = "declined", "Declined"
        CANCELED = "canceled", "Canceled"

    class Channel(models.TextChoices):
        SAVED_METHOD = "saved_method", "Saved method"
        PAYMENT_PAGE = "payment_page", "Payment page"

    UNSETTLED = (Status.STARTED, Status.PROCESSING)

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, null=True, related_name="attempts")
    top_up = models.ForeignKey("metering.TopUp", on_delete=models.PROTECT, null=True, related_name="attempts")
    number = models.IntegerField()
    amount = money_field()
    currency = models.CharField(max_length=3, default="USD")
    channel = models.CharField(max_length=16, choices=Channel.choices, default=Channel.SAVED_METHOD)
    idempotency_key = models.CharField(max_length=255, unique=True)
    customer_id = models.CharField(max_length=255)
    method_id = models.CharField(max_length=255, default="")
    session_id = models.CharField(max_length=255, default="")
    # Where it can be paid; empty once it cannot be any more.
    session_url = models.TextField(default="")
    # What Stripe is asked, word for word: asked again under the same key it has to be the same.
    request = models.JSONField(default=dict)
    intent_id = models.CharField(max_length=255, null=True, unique=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.STARTED)
    # The bank's reason and sentence, on a decline; customers read them.
    code = models.CharField(max_length=100, default="")
    message = models.TextField(default="")
    started_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    objects = PaymentAttemptQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(invoice__isnull=False, top_up__isnull=True) | Q(invoice__isnull=True, top_up__isnull=False),
                name="an_attempt_collects_one_thing",
            ),
            models.UniqueConstraint(fields=["invoice", "number"], name="one_attempt_per_invoice_and_number"),
            models.UniqueConstraint(fields=["top_up", "number"], name="one_attempt_per_top_up_and_number"),
            models.UniqueConstraint(
                fields=["invoice"],
                condition=Q(status__in=["started", "processing"]),
                name="one_unsettled_attempt_per_invoice",
            ),
        ]

    def __str__(self) -> str:
        return self.idempotency_key


class Payment(models.Model):
    """Money that arrived, by Stripe or by hand, and how much of it went back in which way: never more than came."""

    class Method(models.TextChoices):
        STRIPE = "stripe", "Stripe"
        BY_HAND = "by_hand", "By hand"

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(max_length=32, unique=True, default=payment_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="payments")
    # What it pays; both null: money that came for an invoice already paid, to be refunded or credited.
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, null=True, related_name="payments")
    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, null=True, related_name="+")
    amount = money_field()
    currency = models.CharField(max_length=3, default="USD")
    method = models.CharField(max_length=16, choices=Method.choices)
    # Stripe's PaymentIntent; null by hand.
    intent_id = models.CharField(max_length=255, null=True, unique=True)
    # Where the money is found when it came by hand, such as a bank transfer's.
    reference = models.CharField(max_length=200, default="")
    # Why nothing is settled by it, for people: "0.00 were due on the paid invoice OMX-2026-00001."
    surplus = models.CharField(max_length=200, default="")
    refunded = money_field(default=Decimal("0.00"))
    # What of it a credit note turned into credit: it is in a grant, and not refunded as well.
    kept = money_field(default=Decimal("0.00"))
    # What banks took back of it: disputes that were lost, and debits that were returned.
    charged_back = money_field(default=Decimal("0.00"))
    # What banks took back, or Stripe refunded beyond what was left of it, and its customer therefore owes again.
    reopened = money_field(default=Decimal("0.00"))
    # When the money came, as far as is known: its month in the books. Recorded it may be later.
    received_at = models.DateTimeField()
    recorded_by = models.CharField(max_length=300)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], condition=Q(invoice__isnull=True, grant__isnull=True), name="payments_in_surplus")
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="a_payment_is_above_zero"),
            models.CheckConstraint(
                condition=Q(refunded__gte=0, kept__gte=0, charged_back__gte=0, reopened__gte=0)
                & Q(charged_back__lte=models.F("amount")),
                name="what_goes_back_is_not_below_zero",
            ),
            models.CheckConstraint(
                condition=Q(
                    amount__gte=models.F("refunded") + models.F("kept") + models.F("charged_back") - models.F("reopened")
                ),
                name="no_more_goes_back_than_came",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}, {self.intent_id or self.reference}"


class Refund(StripeCall):
    """Money on its way back. Written before Stripe is asked."""

    class Status(models.TextChoices):
        STARTED = "started", "Started"
        PENDING = "pending", "Pending"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"

    class Origin(models.TextChoices):
        """What was made at the provider is a fact, and may be more than was left to give back."""

        REQUESTED = "requested", "Requested here"
        PROVIDER = "provider", "Made at the provider"

    UNSETTLED = (Status.STARTED, Status.PENDING)

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(max_length=32, unique=True, default=refund_id, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    credit_note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, null=True, related_name="refunds")
    amount = money_field()
    currency = models.CharField(max_length=3, default="USD")
    # What of the credit that the payment paid for was taken back with it; given back again should the refund fail.
    credit_taken = money_field(default=Decimal("0.00"))
    # What of that had been withdrawn before: should the refund fail it is owed to the customer, and is no credit.
    of_withdrawn = money_field(default=Decimal("0.00"))
    # What of it `Payment.reopened` counts: neither what was left of the payment nor credit was behind it.
    excess = money_field(default=Decimal("0.00"))
    origin = models.CharField(max_length=16, choices=Origin.choices, default=Origin.REQUESTED)
    reason = models.CharField(max_length=300, default="")
    # Where the outgoing money is found when a person sent it; empty at Stripe, where `stripe_id` names it.
    reference = models.CharField(max_length=200, default="")
    idempotency_key = models.CharField(max_length=255, unique=True)
    # Stripe's; null until it answered, and for ever where the money went back by hand.
    stripe_id = models.CharField(max_length=255, null=True, unique=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.STARTED)
    message = models.TextField(default="")
    started_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    started_by = models.CharField(max_length=300)

    objects = RefundQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="a_refund_is_above_zero")]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} back"


class Dispute(models.Model):
    """A payment that the customer's bank asks back, as Stripe tells it; or took back, as a person recorded it."""

    # In Stripe's words: it is asked back now, and it is over.
    RUNNING = ("needs_response", "under_review")
    OVER = ("won", "lost", "warning_closed", "prevented")

    id = models.BigAutoField(primary_key=True)
    # Of what a person recorded, an id of ours.
    stripe_id = models.CharField(max_length=255, unique=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes")
    amount = money_field()
    currency = models.CharField(max_length=3, default="USD")
    # Stripe's words: "fraudulent", and "needs_response", "under_review", "won", "lost", …
    reason = models.CharField(max_length=100)
    status = models.CharField(max_length=40)
    # What Stripe takes for it, whatever comes of it.
    fee = money_field(default=Decimal("0.00"))
    # What of the credit that the payment paid for cannot be spent meanwhile; once it is lost, for good.
    credit_blocked = money_field(default=Decimal("0.00"))
    # What of that had been withdrawn before: once it is not blocked any more it is owed to the customer, and is no credit.
    of_withdrawn = money_field(default=Decimal("0.00"))
    # Booked when it was lost: this much is gone. Given back since `reinstated_at`, if that is set.
    charged_back = money_field(default=Decimal("0.00"))
    lost_at = models.DateTimeField(null=True)
    reinstated_at = models.DateTimeField(null=True)
    # Where it is found when a person recorded it; empty at Stripe, where `stripe_id` names it.
    reference = models.CharField(max_length=200, default="")
    recorded_by = models.CharField(max_length=300, default="stripe")
    opened_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = DisputeQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.reason}: {self.status}"

    @property
    def found_as(self) -> str:
        """Where people find it, at the bank or at Stripe."""
        return self.reference or self.stripe_id

    @property
    def is_booked(self) -> bool:
        """Whether it is lost, and the money gone."""
        return self.lost_at is not None and self.reinstated_at is None


class Dunning(models.Model):
    """Where the collection of an invoice stands after a decline."""

    class State(models.TextChoices):
        RETRYING = "retrying", "Retrying"
        PAST_DUE = "past_due", "Past due"
        SETTLED = "settled", "Settled"

    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, related_name="dunning")
    state = models.CharField(max_length=16, choices=State.choices, default=State.RETRYING)
    # Retries made, and when the next one is; null when none is left.
    retries = models.SmallIntegerField(default=0)
    next_retry_at = models.DateTimeField(null=True)
    began_at = models.DateTimeField()
    past_due_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["next_retry_at"], name="dunning_by_next_retry")]

    def __str__(self) -> str:
        return f"{self.invoice}: {self.state}"


class TopUp(models.Model):
    """A purchase of credits: asked for by a person or a program, or made by itself when the balance ran low."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        PAID = "paid", "Paid"
        FAILED = "failed", "Failed"

    public_id = models.CharField(max_length=32, unique=True, default=top_up_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="top_ups")
    amount = money_field()
    currency = models.CharField(max_length=3, default="USD")
    automatic = models.BooleanField(default=False)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    grant = models.OneToOneField(CreditGrant, on_delete=models.PROTECT, null=True, related_name="top_up")
    message = models.TextField(default="")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=300)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="a_top_up_is_above_zero"),
            models.UniqueConstraint(
                fields=["workspace"], condition=Q(automatic=True, status="pending"), name="one_automatic_top_up_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"Top-up of {self.amount} {self.currency}"


class IdempotencyKey(models.Model):
    """A caller's `Idempotency-Key`: the same question gets the same answer, another question under it is refused."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    # SHA-256 of what was asked.
    asked = models.CharField(max_length=64)
    # The id of what it made, such as "top_…" or an attempt's key; its answer is made from that.
    made = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "key"], name="one_answer_per_idempotency_key")]

    def __str__(self) -> str:
        return self.key
