"""Recurring fees and manual lines of a workspace: acts on its page."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import action

from metering import dollars
from metering.invoicing.fees.agreed import fees_of
from metering.invoicing.fees.change import MOST_SEATS, add_line, set_fee
from metering.invoicing.fees.proration import FeeSpan
from metering.periods import Period, month_of, parse_month
from workspaces.console.kit import fields
from workspaces.console.kit.base import actor_of
from workspaces.console.kit.pages import FormPage
from workspaces.models import Workspace


class FeeForm(forms.Form):
    name = fields.text(
        "name", "As invoices print it, such as “Platform fee” or “Seats”. An existing name changes that fee.", max_length=100
    )
    monthly = fields.amount(
        "per month (USD)", "Of one seat, if there are seats. 0 ends the fee.", min_value=0, decimal_places=2, max_digits=12
    )
    seats = fields.number_field(
        "seats", "Empty: the fee does not depend on seats.", required=False, min_value=0, max_value=MOST_SEATS
    )
    first = fields.day_field("first day with it (UTC)", "What was agreed for earlier days stays as it is.")
    until = fields.day_field("first day without it (UTC)", "Empty: it does not end.", required=False)

    def clean_first(self) -> datetime:
        return beginning_of(self.cleaned_data["first"])

    def clean_until(self) -> datetime | None:
        until = self.cleaned_data["until"]
        return None if until is None else beginning_of(until)


class LineForm(forms.Form):
    month = fields.text("month", "YYYY-MM. The line is billed and taxed as a part of this month.", max_length=7)
    text = fields.text("text", "As the invoice prints it.", max_length=300)
    amount = fields.amount("amount (USD)", "Before tax. Below zero gives it back.", decimal_places=2, max_digits=12)

    def clean_month(self) -> Period:
        try:
            return parse_month(self.cleaned_data["month"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


class FeesOfAWorkspace:
    """Acts for the workspace's admin."""

    @action(description="Set a fee", url_path="set-fee", icon="event_repeat")
    def set_fee(self, request: HttpRequest, object_id: str) -> HttpResponse:
        workspace = get_object_or_404(Workspace, pk=object_id)
        back = reverse("admin:workspaces_workspace_change", args=[workspace.pk])

        def act(asked: dict[str, Any]) -> HttpResponse:
            said = asked["name"], asked["monthly"], asked["seats"], asked["first"], asked["until"]
            agreed = set_fee(workspace, *said, actor_of(request), timezone.now())
            messages.success(request, f"“{agreed.fee.name}” is set. Drafts follow it at their next refresh.")
            return redirect(back)

        intro = (
            "Parts of months are billed by the day. What changes of a month that is already invoiced is on the next invoice. "
            f"So far: {fees_in_words(workspace)}."
        )
        initial = {"first": month_of(timezone.now()).start.date()}
        return FormPage("Set a fee", act, back, FeeForm, intro, "Set the fee", initial=initial).respond(
            request, self, workspace
        )

    @action(description="Add a line", url_path="add-line", icon="playlist_add")
    def add_line(self, request: HttpRequest, object_id: str) -> HttpResponse:
        workspace = get_object_or_404(Workspace, pk=object_id)
        back = reverse("admin:workspaces_workspace_change", args=[workspace.pk])

        def act(asked: dict[str, Any]) -> HttpResponse:
            line = add_line(workspace, asked["month"], asked["amount"], asked["text"], actor_of(request), timezone.now())
            amount = dollars.usd_text(line.amount)
            messages.success(
                request, f"“{line.text}” is added with {amount}. It is on the next invoice that bills {line.month:%B %Y}."
            )
            return redirect(back)

        intro = "A line never changes once it is added: the opposite line undoes it. Discounts and minimums leave it out."
        initial = {"month": f"{timezone.now():%Y-%m}"}
        page = FormPage("Add an invoice line", act, back, LineForm, intro, "Add the line", initial=initial)
        return page.respond(request, self, workspace)


def beginning_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def fees_in_words(workspace: Workspace) -> str:
    """Such as "Seats: 5 at $10.00 from 2026-09-01 until 2026-09-15, 8 at $10.00 from 2026-09-15 on"."""
    named = [f"{fee.name}: {', '.join(map(span_in_words, fee.spans))}" for fee in fees_of(workspace)]
    return "; ".join(named) or "none"


def span_in_words(span: FeeSpan) -> str:
    monthly = dollars.usd_text(span.monthly)
    price = f"{monthly} a month" if span.seats is None else f"{span.seats} at {monthly} a month"
    return f"{price} from {span.start:%Y-%m-%d} {'on' if span.end is None else f'until {span.end:%Y-%m-%d}'}"
