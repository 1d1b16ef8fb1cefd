"""Money that moved: payments and refunds, attempts, top-ups, disputes; webhooks of Stripe; and the mails."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import action, display

from metering import dollars
from metering.console import figures
from metering.console.money.mails import KindFilter, MailPages
from metering.payments.mails import sending
from metering.payments.mails.models import Notice
from metering.payments.models import Dispute, Payment, PaymentAttempt, Refund, TopUp
from metering.payments.refunds import attention, refunds
from metering.payments.refunds.disputes import in_dispute
from metering.payments.refunds.surplus import keep_surplus_as_credit
from metering.payments.webhooks import inbox
from metering.payments.webhooks.models import WebhookEvent
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, ReadOnlyInline, actor_of
from workspaces.console.kit.pages import FormPage

LABELS = {
    **dict.fromkeys(("succeeded", "paid", "handled", "sent", "won"), "success"),
    **dict.fromkeys(("started", "pending", "processing", "waiting", "under_review"), "info"),
    **dict.fromkeys(("declined", "failed", "lost", "needs_response", "warning_needs_response"), "danger"),
    **dict.fromkeys(("canceled", "ignored", "surplus", "warning_under_review"), "warning"),
}


class WaitingFilter(DropdownFilter):
    """What the overview counts: `waiting` of a class is the rows that wait for a person."""

    title = "state"
    parameter_name = "state"
    called = "waits for a person"
    waiting: Any = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waiting", self.called)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(pk__in=type(self).waiting().order_by().values("pk")) if self.value() else queryset


class SurplusFilter(WaitingFilter):
    called = "surplus, to be given back"
    waiting = staticmethod(attention.surpluses)


class RunningFilter(WaitingFilter):
    called = "not over"
    waiting = staticmethod(attention.running_disputes)


class FailingWebhookFilter(WaitingFilter):
    called = "not sent, and failed"
    waiting = staticmethod(Notice.objects.failing)


class RefundForm(forms.Form):
    amount = fields.amount("amount (USD)", min_value=Decimal("0.01"), decimal_places=2, max_digits=12)
    reason = fields.text("reason", max_length=300)


class KeepForm(forms.Form):
    reason = fields.text("reason", "Stays in the audit trail.", max_length=300)


class RefundByHandForm(RefundForm):
    reference = fields.text(
        "reference",
        "Where to find the refund, such as your bank transfer's reference.",
        max_length=refunds.LONGEST_REFERENCE,
    )


WITHOUT_A_NOTE = "Money back without a credit note: the invoice stays paid. To lower the invoice as well, issue a credit note."
BY_HAND = (
    "The payment did not come through Stripe, so nothing here can send the money: you send it yourself, and record it here. "
    f"{WITHOUT_A_NOTE}"
)


class RefundsOfAPayment(ReadOnlyInline):
    model = Refund
    fields = ("amount", "status", "reason", "found_at", "message", "started_by", "settled_at")
    readonly_fields = fields
    verbose_name_plural = "refunds"

    @display(description="reference")
    def found_at(self, refund: Refund) -> str:
        return refund.reference or refund.stripe_id or "-"


class DisputesOfAPayment(ReadOnlyInline):
    model = Dispute
    fields = ("amount", "status", "reason", "opened_at", "updated_at", "stripe_id")
    readonly_fields = fields
    verbose_name_plural = "disputes"


class PaymentAdmin(OperatorAdmin):
    when_empty = "Money appears here when it arrives through Stripe, or when an invoice is marked as paid."
    list_display = ("public_id", "workspace", "what", "amount_text", "refunded_text", "method", "received_at")
    list_filter = (("method", ChoicesDropdownFilter), SurplusFilter, ("workspace", AutocompleteSelectFilter))
    list_select_related = ("workspace", "invoice", "grant")
    search_fields = ("public_id__exact", "intent_id__exact", "invoice__number__exact", "workspace__name__icontains")
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("workspace", "what"),
        ("amount_text", "refunded_text"),
        ("kept_text", "charged_back_text"),
        ("reopened_text", "in_dispute_text"),
        ("method", "received_at"),
        ("intent_id", "reference"),
        ("surplus", "recorded_by"),
        "public_id",
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    inlines = (RefundsOfAPayment, DisputesOfAPayment)
    actions_detail = ("refund", "keep_as_credit")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """A refund is offered while something is left, and credit for it where nothing is settled by it."""
        payment = Payment.objects.filter(pk=object_id).first()
        if payment is None or not refunds.refundable_amount(payment):
            return []
        is_surplus = payment.invoice_id is None and payment.grant_id is None
        offered = {"refund"} | ({"keep-as-credit"} if is_surplus else set())
        return [each for each in super().get_actions_detail(request, object_id) if each.path in offered]

    @display(description="for")
    def what(self, payment: Payment) -> str:
        if payment.invoice:
            return str(payment.invoice)
        if payment.grant:
            return str(payment.grant)
        return "surplus: to be given back" if payment.refunded < payment.amount else "surplus: given back"

    @display(description="amount")
    def amount_text(self, payment: Payment) -> SafeString:
        return figures.money_in(payment.currency, payment.amount)

    @display(description="refunded")
    def refunded_text(self, payment: Payment) -> SafeString:
        return figures.money_in(payment.currency, payment.refunded)

    @display(description="kept as credit")
    def kept_text(self, payment: Payment) -> SafeString:
        return figures.money_in(payment.currency, payment.kept)

    @display(description="taken back by a bank")
    def charged_back_text(self, payment: Payment) -> SafeString:
        return figures.money_in(payment.currency, payment.charged_back)

    @display(description="owed again")
    def reopened_text(self, payment: Payment) -> SafeString:
        return figures.money_in(payment.currency, payment.reopened)

    @display(description="in dispute")
    def in_dispute_text(self, payment: Payment) -> SafeString:
        return figures.money_in(payment.currency, in_dispute(payment))

    @action(description="Keep as credit", url_path="keep-as-credit", icon="savings")
    def keep_as_credit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        payment = get_object_or_404(Payment.objects.select_related("workspace"), pk=object_id)
        back = reverse("admin:metering_payment_change", args=[payment.pk])

        def act(asked: dict[str, Any]) -> HttpResponse:
            grant = keep_surplus_as_credit(payment.pk, asked["reason"], actor_of(request), timezone.now())
            messages.success(request, f"{dollars.usd_text(grant.amount)} are credit of {payment.workspace} now.")
            return redirect(back)

        intro = f"Nothing is settled by this payment. What is left of it becomes credit of {payment.workspace}."
        page = FormPage("Keep the surplus as credit", act, back, KeepForm, intro, "Keep it as credit")
        return page.respond(request, self, payment)

    @action(description="Refund", url_path="refund", icon="undo")
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        payment = get_object_or_404(Payment.objects.select_related("workspace"), pk=object_id)
        back = reverse("admin:metering_payment_change", args=[payment.pk])
        by_hand = payment.method == Payment.Method.BY_HAND

        def act(asked: dict[str, Any]) -> HttpResponse:
            begun = refunds.refund(payment.pk, now=timezone.now(), actor=actor_of(request), **asked)
            amount = dollars.usd_text(begun.amount)
            done = f"{amount} are recorded as refunded: {begun.reference}. Nothing was sent from here."
            messages.success(request, done if by_hand else f"The refund of {amount} is {begun.status}.")
            return redirect(back)

        page = FormPage(
            "Record a manual refund" if by_hand else "Refund through Stripe",
            act,
            back,
            RefundByHandForm if by_hand else RefundForm,
            BY_HAND if by_hand else WITHOUT_A_NOTE,
            "Record the refund" if by_hand else "Refund through Stripe",
            initial={"amount": refunds.refundable_amount(payment)},
        )
        return page.respond(request, self, payment)


class AttemptAdmin(OperatorAdmin):
    called = "Payment attempts"
    when_empty = "Every attempt to collect an invoice or a top-up through Stripe appears here."
    list_display = ("idempotency_key", "workspace", "amount", "channel", "status_label", "code", "started_at", "settled_at")
    list_filter = (("status", ChoicesDropdownFilter), ("workspace", AutocompleteSelectFilter))
    list_select_related = ("workspace",)
    search_fields = ("idempotency_key__startswith", "intent_id__exact")
    ordering = ("-id",)
    sortable_by = ()

    @display(description="status", label=LABELS)
    def status_label(self, attempt: PaymentAttempt) -> str:
        return attempt.status


class TopUpAdmin(OperatorAdmin):
    called = "Top-ups"
    when_empty = "Purchases of credit appear here, whether a person, a program or a low balance began them."
    list_display = ("public_id", "workspace", "amount", "automatic", "status_label", "message", "created_at")
    list_filter = (("status", ChoicesDropdownFilter), ("workspace", AutocompleteSelectFilter))
    list_select_related = ("workspace",)
    search_fields = ("public_id__exact",)
    ordering = ("-id",)
    sortable_by = ()

    @display(description="status", label=LABELS)
    def status_label(self, top_up: TopUp) -> str:
        return top_up.status


class DisputeAdmin(OperatorAdmin):
    when_empty = "Disputed payments appear here as soon as Stripe reports them."
    list_display = ("stripe_id", "of_payment", "workspace", "amount_text", "reason", "status_label", "opened_at", "updated_at")
    list_filter = (RunningFilter,)
    list_select_related = ("payment__workspace",)
    search_fields = ("stripe_id__exact", "payment__public_id__exact")
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("stripe_id", "status_label"),
        ("of_payment", "workspace"),
        ("amount_text", "reason"),
        ("blocked_text", "charged_back_text"),
        ("fee_text", "lost_at"),
        ("opened_at", "updated_at"),
    )
    readonly_fields = tuple(name for row in fields for name in row)

    @display(description="payment")
    def of_payment(self, dispute: Dispute) -> SafeString:
        page = reverse("admin:metering_payment_change", args=[dispute.payment_id])
        return format_html('<a class="console-link" href="{}">{}</a>', page, dispute.payment.public_id)

    @display(description="workspace")
    def workspace(self, dispute: Dispute) -> str:
        return dispute.payment.workspace.name

    @display(description="amount")
    def amount_text(self, dispute: Dispute) -> SafeString:
        return figures.money_in(dispute.currency, dispute.amount)

    @display(description="credit blocked")
    def blocked_text(self, dispute: Dispute) -> SafeString:
        return figures.money_in(dispute.currency, dispute.credit_blocked)

    @display(description="taken back by the bank")
    def charged_back_text(self, dispute: Dispute) -> SafeString:
        return figures.money_in(dispute.currency, dispute.charged_back)

    @display(description="fee of Stripe's")
    def fee_text(self, dispute: Dispute) -> SafeString:
        return figures.money(dispute.fee)

    @display(description="status", label=LABELS)
    def status_label(self, dispute: Dispute) -> str:
        return dispute.status


class WebhookAdmin(OperatorAdmin):
    called = "Stripe's webhooks"
    when_empty = "What Stripe sends to /webhooks/stripe is stored here."
    list_display = ("event_id", "type", "object_id", "status_label", "tries", "received_at", "handled_at")
    list_filter = (("status", ChoicesDropdownFilter),)
    search_fields = ("event_id__exact", "object_id__exact", "type__startswith")
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("event_id", "type"),
        ("object_id", "status_label"),
        ("created_at", "received_at"),
        ("tries", "next_try_at"),
        "error",
        "content",
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    actions_detail = ("replay",)

    @display(description="status", label=LABELS)
    def status_label(self, event: WebhookEvent) -> str:
        return event.status

    @display(description="as it was sent")
    def content(self, event: WebhookEvent) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(event.payload, indent=2)[:20_000])

    @action(description="Replay", url_path="replay", icon="replay")
    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        event = get_object_or_404(WebhookEvent, pk=object_id)
        back = reverse("admin:metering_webhookevent_change", args=[event.pk])

        def act(asked: dict[str, Any]) -> HttpResponse:
            done = inbox.replay_webhook(event, actor_of(request), timezone.now())
            tell = messages.error if done.status == "failed" else messages.success
            tell(request, f"The event is {done.status}. {done.error}")
            return redirect(back)

        intro = "It is handled again, from its state at Stripe now. Handling it twice changes nothing."
        return FormPage("Replay the event", act, back, intro=intro).respond(request, self, event)


class NoticeAdmin(MailPages):
    """What is done with mails; mails.py shows them."""

    list_filter = (KindFilter, FailingWebhookFilter, ("workspace", AutocompleteSelectFilter))
    actions_detail = ("resend",)

    @action(description="Send again", url_path="send-again", icon="forward_to_inbox")
    def resend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        notice = get_object_or_404(Notice.objects.select_related("workspace"), pk=object_id)
        back = reverse("admin:metering_notice_change", args=[notice.pk])

        def act(asked: dict[str, Any]) -> HttpResponse:
            done = sending.resend_notice(notice, actor_of(request), timezone.now())
            tell = messages.success if done.sent_at else messages.error
            fate = "can never arrive like this" if done.undeliverable else "is tried again"
            tell(request, "The mail is sent." if done.sent_at else f"The mail is not sent, and {fate}. {done.error}")
            return redirect(back)

        intro = "It is sent at once, to the addresses of today."
        if notice.sent_at:
            intro += " It was sent before: its readers get it twice."
        return FormPage("Send the mail again", act, back, intro=intro).respond(request, self, notice)


for table, page in (
    (Payment, PaymentAdmin),
    (PaymentAttempt, AttemptAdmin),
    (TopUp, TopUpAdmin),
    (Dispute, DisputeAdmin),
    (WebhookEvent, WebhookAdmin),
    (Notice, NoticeAdmin),
):
    admin.site.register(table, page)
