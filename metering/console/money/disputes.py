"""Disputes and chargebacks: what banks ask back or took back, who owes it now, and recording what came outside Stripe."""

from __future__ import annotations

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
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import action, display

from metering import dollars
from metering.checked_inputs import LONGEST_REFERENCE
from metering.console import figures
from metering.payments.disputes.chargebacks import charge_back, reverse_chargeback
from metering.payments.models import Dispute, Payment
from metering.payments.refunds import attention
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
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
    called = "waits for review"
    waiting: Any = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waiting", self.called)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(pk__in=type(self).waiting().order_by().values("pk")) if self.value() else queryset


class DisputeFilter(WaitingFilter):
    called = "not over"
    waiting = staticmethod(Dispute.objects.unresolved)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*super().lookups(request, model_admin), ("unplaced", "lost, and owed by nobody")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "unplaced":
            return queryset.filter(pk__in=attention.unplaced_disputes().order_by().values("pk"))
        return super().queryset(request, queryset)


class ChargebackForm(forms.Form):
    amount = fields.amount("amount (USD)", min_value=Decimal("0.01"), decimal_places=2, max_digits=12)
    fee = fields.amount("fee (USD)", "The bank's fee for it.", min_value=0, decimal_places=2, max_digits=12)
    reference = fields.text("reference", "Where to find the chargeback, at the bank.", max_length=LONGEST_REFERENCE)


def chargeback_page(request: HttpRequest, of: Any, pk: str) -> HttpResponse:
    payment = get_object_or_404(Payment.objects.select_related("workspace"), pk=pk)
    back = reverse("admin:metering_payment_change", args=[payment.pk])

    def act(asked: dict[str, Any]) -> HttpResponse:
        said = asked["amount"], asked["reference"], asked["fee"]
        (made,) = charge_back([payment], *said, actor_of(request), timezone.now())
        messages.success(request, f"The chargeback of {dollars.usd_text(made.charged_back)} is recorded.")
        return redirect(reverse("admin:metering_dispute_change", args=[made.pk]))

    intro = "The bank took this money back. What it paid is due again, and credit bought with it is removed."
    initial = {"amount": payment.amount - payment.charged_back, "fee": Decimal("0.00")}
    page = FormPage(
        "Record a chargeback", act, back, ChargebackForm, intro, "Record the chargeback", danger=True, initial=initial
    )
    return page.respond(request, of, payment)


class ReversalForm(forms.Form):
    reason = fields.text("reason", "Stays in the audit trail.", max_length=300)


class DisputeAdmin(OperatorAdmin):
    when_empty = "Disputed payments appear here as soon as Stripe reports them, and chargebacks once they are recorded."
    list_display = (
        *("stripe_id", "of_payment", "workspace", "amount_text", "reason", "status_label"),
        *("unplaced_text", "opened_at", "updated_at"),
    )
    list_filter = (DisputeFilter,)
    list_select_related = ("payment__workspace",)
    search_fields = ("stripe_id__exact", "payment__public_id__exact")
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("stripe_id", "status_label"),
        ("of_payment", "workspace"),
        ("amount_text", "reason"),
        ("blocked_text", "charged_back_text"),
        ("unplaced_text", "fee_text"),
        ("reference", "recorded_by"),
        ("opened_at", "lost_at", "reinstated_at"),
        "updated_at",
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    actions_detail = ("reverse",)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """What a person recorded, a person may reverse, once."""
        dispute = Dispute.objects.filter(pk=object_id).first()
        offered = dispute is not None and bool(dispute.reference) and dispute.is_booked
        return super().get_actions_detail(request, object_id) if offered else []

    @action(description="Paid again", url_path="reverse", icon="undo")
    def reverse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        dispute = get_object_or_404(Dispute.objects.select_related("payment"), pk=object_id)
        back = reverse("admin:metering_dispute_change", args=[dispute.pk])

        def act(asked: dict[str, Any]) -> HttpResponse:
            done = reverse_chargeback(dispute.pk, asked["reason"], actor_of(request), timezone.now())
            amount = sum((each.charged_back for each in done), Decimal("0.00"))
            messages.success(request, f"{dollars.usd_text(amount)} are recorded as paid again.")
            return redirect(back)

        intro = "The bank returned the money: what it paid is no longer due, and credit bought with it can be spent."
        page = FormPage("Record that the bank paid again", act, back, ReversalForm, intro, "Record it")
        return page.respond(request, self, dispute)

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

    @display(description="owed by nobody")
    def unplaced_text(self, dispute: Dispute) -> SafeString:
        """What no invoice, credit or surplus could bear, and we do."""
        borne = attention.unplaced_amounts().get(dispute.stripe_id, Decimal("0.00")) if dispute.is_booked else Decimal("0.00")
        return figures.money_in(dispute.currency, borne)

    @display(description="fee")
    def fee_text(self, dispute: Dispute) -> SafeString:
        return figures.money(dispute.fee)

    @display(description="status", label=LABELS)
    def status_label(self, dispute: Dispute) -> str:
        return dispute.status


admin.site.register(Dispute, DisputeAdmin)
