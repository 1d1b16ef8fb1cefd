"""Money that moved: payments and refunds, attempts, top-ups; webhooks of Stripe; and the mails."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action, display

from metering import dollars
from metering.checked_inputs import LONGEST_REFERENCE
from metering.console import figures
from metering.console.money.disputes import LABELS, WaitingFilter, chargeback_page
from metering.console.money.mails import KindFilter, MailPages
from metering.payments.disputes.disputes import in_dispute
from metering.payments.mails import sending
from metering.payments.mails.models import Notice
from metering.payments.models import Dispute, Payment, PaymentAttempt, Refund, TopUp
from metering.payments.refunds import attention, refunds
from metering.payments.refunds.surplus import keep_surplus_as_credit
from metering.payments.webhooks import inbox
from metering.payments.webhooks.models import WebhookEvent
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, ReadOnlyInline, actor_of
from workspaces.console.kit.pages import FormPage


class SurplusFilter(WaitingFilter):
    called = "surplus, to be given back"
    waiting = staticmethod(attention.surpluses)


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
        max_length=LONGEST_REFERENCE,
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
    actions_detail = ("refund", "keep_as_credit", "charge_back")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """A refund is offered while something is left, and credit for it where nothing is settled by it; a chargeback, of money
        that came outside Stripe, while the bank has not had all of it.
        """
        payment = Payment.objects.filter(pk=object_id).first()
        if payment is None:
            return []
        offered = set()
        if refunds.refundable_amount(payment):
            is_surplus = payment.invoice_id is None and payment.grant_id is None
            offered = {"refund"} | ({"keep-as-credit"} if is_surplus else set())
        if payment.method == Payment.Method.BY_HAND and payment.charged_back < payment.amount:
            offered.add("charge-back")
        return [each for each in super().get_actions_detail(request, object_id) if each.path in offered]

    @display(description="for")
    def what(self, payment: Payment) -> str:
        if payment.invoice:
            return str(payment.invoice)
        if payment.grant:
            return str(payment.grant)
        return (
            "surplus: to be given back" if payment.refunded + payment.charged_back < payment.amount else "surplus: given back"
        )

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

    @action(description="Chargeback", url_path="charge-back", icon="gavel")
    def charge_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return chargeback_page(request, self, object_id)

    @action(description="Refund", url_path="refund", icon="undo")
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        payment = get_object_or_404(Payment.objects.select_related("workspace"), pk=object_id)
        back = reverse("admin:metering_payment_change", args=[payment.pk])
        by_hand = payment.method == Payment.Method.BY_HAND

        def act(asked: dict[str, Any]) -> HttpResponse:
            begun = refunds.refund(payment.pk, now=timezone.now(), actor=actor_of(request), **asked)
            report_refund(request, begun)
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


def report_refund(request: HttpRequest, begun: Refund) -> None:
    """What became of it: Stripe may have made it, refused it, or not answered."""
    amount, Status = dollars.usd_text(begun.amount), Refund.Status
    if begun.reference:
        messages.success(request, f"{amount} are recorded as refunded: {begun.reference}. Nothing was sent from here.")
    elif begun.status == Status.FAILED:
        messages.error(request, f"The refund of {amount} failed, and nothing went back. {begun.message}".strip())
    elif begun.status == Status.STARTED:
        messages.warning(request, f"Stripe did not confirm the refund of {amount}: it is asked again, and makes it once.")
    else:
        done = "is made" if begun.status == Status.SUCCEEDED else "is on its way"
        messages.success(request, f"The refund of {amount} {done}.")


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
            fate = "cannot be delivered like this" if done.undeliverable else "is tried again"
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
    (WebhookEvent, WebhookAdmin),
    (Notice, NoticeAdmin),
):
    admin.site.register(table, page)
