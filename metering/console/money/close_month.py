"""Closing a month from the console: of one workspace at once, of all as a job."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from metering import dollars
from metering.invoicing.allowed import check_month_ended
from metering.invoicing.lifecycle.close import close_workspace
from metering.invoicing.models import Invoice, InvoiceQuerySet
from metering.invoicing.tasks import CLOSE_MONTH
from metering.jobs.order_job import order_job
from metering.periods import Period, month_of, parse_month, previous_month
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage
from workspaces.models import Workspace

DRAFT, FINAL = "draft", "final"
NAMED = 5
INTRO = (
    "Works out what was used in a month that has ended. The schedule does the same automatically: it refreshes drafts while "
    "the month is in its grace, and finalizes them after it. What is finalized already stays as it is."
)


class CloseForm(forms.Form):
    month = fields.text("month", "YYYY-MM, ended.", max_length=7)
    workspace = fields.workspace(required=False, help_text="Empty: every workspace with something to bill.")
    how = fields.choice(
        "make", [(DRAFT, "drafts, to look at"), (FINAL, "finalized invoices: numbered, and never changed again")]
    )

    def clean_month(self) -> Period:
        try:
            return parse_month(self.cleaned_data["month"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


def close_page(request: HttpRequest, admin: OperatorAdmin) -> HttpResponse:
    def act(asked: dict[str, Any]) -> HttpResponse:
        month, workspace, final = asked["month"], asked["workspace"], asked["how"] == FINAL
        check_month_ended(month, timezone.now())
        return _close_all(request, month, final) if workspace is None else _close_one(request, workspace, month, final)

    back = reverse("admin:metering_invoice_changelist")
    last = f"{previous_month(month_of(timezone.now())).start:%Y-%m}"
    waiting = void_months(Invoice.objects.all())
    intro = f"{INTRO} There {'is' if waiting.startswith('1 ') else 'are'} {waiting}" if waiting else INTRO
    page = FormPage("Close a month", act, back, CloseForm, intro, "Close the month", initial={"month": last, "how": DRAFT})
    return page.respond(request, admin)


def _close_one(request: HttpRequest, workspace: Workspace, month: Period, final: bool) -> HttpResponse:
    before = Invoice.objects.filter(workspace=workspace, period_start=month.start, finalized_at__isnull=False)
    stood = before.current().exists()
    invoice = close_workspace(workspace, month, timezone.now(), final, actor_of(request)).invoice
    tell = messages.warning if invoice is None or invoice.is_on_hold else messages.success
    tell(request, _outcome(workspace, month, invoice, stood))
    if waiting := void_months(workspace.invoices.filter(period_start__lte=month.start)):
        messages.warning(request, f"{workspace} has {waiting}")
    if invoice is None:
        return redirect(reverse("admin:metering_invoice_changelist"))
    return redirect(reverse("admin:metering_invoice_change", args=[invoice.pk]))


def void_months(invoices: InvoiceQuerySet) -> str:
    """Which of their months wait for a reissue: the first few by name, oldest first. Empty where none does."""
    found = invoices.waiting_for_reissue().order_by("period_start", "pk")
    count, names = found.count(), [f"{each.period_start:%B %Y} ({each})" for each in found[:NAMED]]
    if not count:
        return ""
    more = f" and {count - len(names):,} more" if count > len(names) else ""
    months = "1 void month" if count == 1 else f"{count:,} void months"
    return f"{months}, not billed until reissued: {', '.join(names)}{more}."


def _outcome(workspace: Workspace, month: Period, invoice: Invoice | None, stood: bool) -> str:
    """What came of closing the month; `stood`: it was finalized before."""
    about = f"{workspace} for {month.start:%B %Y}"
    if invoice is None:
        why = "it has no priced usage, its total is below the minimum, or its invoice is void and not reissued"
        return f"There is no invoice of {about}: {'a sandbox is never invoiced' if workspace.sandbox else why}."
    if stood:
        return f"{invoice} of {about} was finalized before, and stays as it is."
    if invoice.is_on_hold:
        return f"The draft of {about}, {dollars.usd_text(invoice.total)}, waits for review. {invoice.held}"
    if invoice.status == Invoice.Status.DRAFT:
        return f"The draft of {about} is ready: {dollars.usd_text(invoice.total)}."
    return f"{invoice} of {about} is finalized: {dollars.usd_text(invoice.total)}. It never changes again."


def _close_all(request: HttpRequest, month: Period, final: bool) -> HttpResponse:
    try:
        order_job(CLOSE_MONTH, actor_of(request), timezone.now(), month=f"{month.start:%Y-%m}", finalize=final)
    except (OperationalError, OSError) as error:
        messages.error(request, f"The broker does not accept the job, and nothing was closed: {error}")
        return redirect(reverse("admin:metering_invoice_changelist"))
    what = "finalized" if final else "drafted"
    messages.success(
        request,
        f"{month.start:%B %Y} is being {what} for every workspace. Its run, “Close a month”, shows the result here.",
    )
    return redirect(reverse("admin:metering_jobrun_changelist"))
