"""Billing: the balance, open invoices, the saved method, credits, and what invoices print of the customer."""

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from metering.errors import IdempotencyKeyReused, InvoiceNotOpen, NotFound
from metering.invoicing.documents.issued import issued_invoice
from metering.invoicing.documents.pdf import pdf_response
from metering.invoicing.models import Invoice
from metering.invoicing.terms.change import save_profile
from metering.payments.accounts.customers import account_of
from metering.payments.accounts.methods import setup_page
from metering.payments.collecting.collect import charge_now, requested_page
from metering.payments.collecting.status_label import attempt_in_progress
from metering.payments.exports.export import EXPORTS, export
from metering.payments.models import PaymentAccount, PaymentAttempt, TopUp
from metering.payments.provider.current import is_configured
from metering.payments.provider.errors import ProviderUnavailable
from metering.payments.top_ups import purchase
from metering.payments.top_ups.as_json import top_up_url
from metering.payments.top_ups.preferences import save_preferences
from metering.periods import Period, floor_month
from metering.website.billing.forms import BuyForm, ProfileForm, TopUpForm
from metering.website.billing.parts import billing_context, failed_of, owed_by
from metering.website.billing.stripe_return import CHECKING, leave_to_save, report_outcome
from metering.website.forms import RefusableForm
from metering.website.member import member_page
from omixa_billing.api.errors import InvalidParameter, Refusal
from workspaces.access.authentication import Caller
from workspaces.downloads import limited_download

# What is asked of a page that was opened before.
NOT_DUE = {
    Invoice.Status.PAID.value: "is paid already",
    Invoice.Status.VOID.value: "was voided, and is not to be paid any more",
}
STRIPE_AWAY = "The payment service does not answer. Nothing is lost: try again in a minute."


@member_page("may_manage_billing")
def billing_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    now = timezone.now()
    report_outcome(request, caller.workspace, now)
    return render(request, "website/billing/billing.html", billing_context(caller.workspace, now))


@member_page("may_manage_billing")
def pay_invoice_page(request: HttpRequest, caller: Caller, invoice_id: str) -> HttpResponse:
    """Charges the saved method, or leads to the page where the invoice is paid: some cards want their owner there."""
    invoice = get_object_or_404(Invoice.objects.select_related("workspace"), workspace=caller.workspace, public_id=invoice_id)
    return _moving_money(request, lambda: _pay(request, caller, invoice, request.POST.get("method") == purchase.PAGE))


@member_page("may_manage_billing")
def pay_failed(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Charges a new method with what the one before was declined for."""
    return _moving_money(request, lambda: _pay_failed(request, caller))


@member_page("may_manage_billing")
def save_method(request: HttpRequest, caller: Caller) -> HttpResponse:
    if request.method == "GET":
        return redirect("pages:billing")
    leave_to_save(request, caller.workspace)
    return _moving_money(request, lambda: redirect(setup_page(caller.workspace, timezone.now(), caller.user)))


@member_page("may_manage_billing")
def buy_credit_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    form = BuyForm(request.POST)

    def act() -> HttpResponse:
        asked = form.cleaned_data
        try:
            made = purchase.buy_credit(
                caller.workspace, asked["amount"], purchase.PAGE, asked["key"], caller.actor, timezone.now(), caller.user
            )
        except IdempotencyKeyReused:
            form.renew_key()
            raise InvalidParameter(
                "The amount has changed since the last time: if it is right, buy again.", param="amount"
            ) from None
        page = top_up_url(made)
        if page is None and made.status == TopUp.Status.PENDING:
            raise ProviderUnavailable("no page")
        return redirect(page or "pages:billing")

    return _sent(request, caller, "buy", form, act)


@member_page("may_manage_billing")
def preferences(request: HttpRequest, caller: Caller) -> HttpResponse:
    form = TopUpForm.of(account_of(caller.workspace), is_configured(), request.POST)

    def act() -> HttpResponse:
        save_preferences(caller.workspace, **form.settings, actor=caller.actor, now=timezone.now(), user=caller.user)
        messages.success(request, "The settings for low balances are saved.")
        return redirect("pages:billing")

    return _sent(request, caller, "preferences", form, act)


@member_page("may_manage_billing")
def profile(request: HttpRequest, caller: Caller) -> HttpResponse:
    form = ProfileForm(request.POST)

    def act() -> HttpResponse:
        save_profile(caller.workspace, form.cleaned_data, caller.actor, timezone.now(), caller.user)
        messages.success(request, "The billing profile is saved. New invoices print it.")
        return redirect("pages:billing")

    return _sent(request, caller, "profile", form, act)


@member_page("may_see_invoices")
def pdf(request: HttpRequest, caller: Caller, invoice_id: str) -> HttpResponseBase:
    invoice = get_object_or_404(Invoice.objects.select_related("workspace"), workspace=caller.workspace, public_id=invoice_id)
    number = invoice.number or invoice.public_id
    return limited_download(request, caller, lambda: pdf_response(issued_invoice(invoice), number))


@member_page("may_see_invoices")
def export_csv(request: HttpRequest, caller: Caller, kind: str) -> HttpResponseBase:
    """Everything so far, as bookkeepers want it."""
    if kind not in EXPORTS:
        raise NotFound("There is no such export.")
    now = timezone.now()
    period = Period(floor_month(caller.workspace.created_at), now)
    return limited_download(request, caller, lambda: export(kind, period, caller.workspace, for_people=True))


def _sent(
    request: HttpRequest, caller: Caller, name: str, form: RefusableForm, act: Callable[[], HttpResponse]
) -> HttpResponse:
    """Does what a valid form asks for. What is refused is said on its field, with everything typed still there."""
    if request.method != "POST":
        return redirect("pages:billing")
    if form.is_valid():
        try:
            return act()
        except Refusal as refusal:
            if not form.refuse(refusal):
                messages.error(request, refusal.message)
        except ProviderUnavailable:
            messages.error(request, STRIPE_AWAY)
    return render(request, "website/billing/billing.html", billing_context(caller.workspace, timezone.now()) | {name: form})


def _pay(request: HttpRequest, caller: Caller, invoice: Invoice, on_a_page: bool) -> HttpResponse:
    now = timezone.now()
    try:
        if on_a_page or not PaymentAccount.objects.filter(workspace=invoice.workspace).exclude(method_id="").exists():
            return redirect(requested_page(invoice, caller.actor, now, caller.user))
        _charge(request, caller, invoice, now)
    except InvoiceNotOpen:
        invoice.refresh_from_db(fields=["status"])
        if invoice.status not in NOT_DUE:
            raise
        messages.info(request, f"Invoice {invoice.number} {NOT_DUE[invoice.status]}. Nothing was charged now.")
    return redirect("pages:billing")


def _pay_failed(request: HttpRequest, caller: Caller) -> HttpResponse:
    """One after the other, until one is declined or its outcome is not known."""
    now, account = timezone.now(), account_of(caller.workspace)
    for invoice in failed_of(owed_by(caller.workspace, account, now), account):
        if not _charge(request, caller, invoice, now):
            break
    return redirect("pages:billing")


def _charge(request: HttpRequest, caller: Caller, invoice: Invoice, now: datetime) -> bool:
    """Charges the saved method and says how that went; whether another invoice may follow."""
    try:
        attempt = charge_now(invoice, caller.actor, now, caller.user)
    except ProviderUnavailable:
        if attempt_in_progress(Invoice.objects.get(pk=invoice.pk)) is None:
            raise
        messages.info(request, CHECKING)
        return False
    if attempt.status == PaymentAttempt.Status.SUCCEEDED:
        messages.success(request, f"Thank you: invoice {invoice.number} is paid.")
    elif attempt.status == PaymentAttempt.Status.DECLINED:
        why = f"The payment of invoice {invoice.number} was declined: {attempt.message}"
        messages.error(request, f"{why} Pay on Stripe's page, or save another method.")
        return False
    else:
        messages.info(request, "The payment is in progress. It shows here as soon as it is confirmed.")
    return True


def _moving_money(request: HttpRequest, act: Callable[[], HttpResponse]) -> HttpResponse:
    """By POST only; a refusal, and a payment service that is away, are said on the page."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        return act()
    except Refusal as refusal:
        messages.error(request, refusal.message)
    except ProviderUnavailable:
        messages.error(request, STRIPE_AWAY)
    return redirect("pages:billing")
