"""Billing: the balance, open invoices, the saved method, credits, and what invoices print of the customer."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from metering.dashboards.pages.billing_forms import BuyForm, ProfileForm, TopUpForm
from metering.dashboards.pages.member import member_page
from metering.errors import NotFound
from metering.invoicing.issued_pdf import issued_invoice
from metering.invoicing.models import Invoice
from metering.invoicing.pdf import pdf_response
from metering.invoicing.settle import OWED
from metering.invoicing.terms import terms_of
from metering.invoicing.terms_change import save_profile
from metering.payments import top_ups
from metering.payments.accounts import account_of, setup_page, take_setup_session
from metering.payments.balance import balance_of
from metering.payments.collect import charge_now, payment_page
from metering.payments.exports import EXPORTS, export
from metering.payments.models import PaymentAccount, PaymentAttempt, TopUp
from metering.payments.preferences import save_preferences
from metering.payments.shown import grants_of
from metering.payments.stripe_edge import StripeRefused, StripeUnavailable, is_configured
from metering.periods import Period
from omixa_billing.errors import Refusal
from workspaces.authentication import Caller

SHOWN = 20
PREFERENCES = ("low_balance", "top_up_below", "top_up_amount", "top_ups_per_day")
STRIPE_AWAY = "The payment service does not answer. Nothing is lost: try again in a minute."


@member_page("may_manage_billing")
def billing_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    _welcome_back(request, caller)
    return _page(request, caller)


@member_page("may_manage_billing")
def pay(request: HttpRequest, caller: Caller, invoice_id: str) -> HttpResponse:
    """Charges the saved method, or leads to the page where the invoice is paid."""
    invoice = get_object_or_404(Invoice.objects.select_related("workspace"), workspace=caller.workspace, public_id=invoice_id)
    return _moving_money(request, lambda: _pay(request, invoice))


@member_page("may_manage_billing")
def save_method(request: HttpRequest, caller: Caller) -> HttpResponse:
    return _moving_money(request, lambda: redirect(setup_page(caller.workspace, timezone.now())))


@member_page("may_manage_billing")
def buy(request: HttpRequest, caller: Caller) -> HttpResponse:
    form = BuyForm(request.POST or None)
    if request.method == "POST" and not form.is_valid():
        return _page(request, caller, buy=form)

    def act() -> HttpResponse:
        asked = form.cleaned_data
        made = top_ups.buy(caller.workspace, asked["amount"], top_ups.PAGE, asked["key"], caller.actor, timezone.now())
        page = top_ups.page_of(made)
        if page is None and made.status == TopUp.Status.PENDING:
            raise StripeUnavailable("no page")
        return redirect(page or "pages:billing")

    return _moving_money(request, act)


@member_page("may_manage_billing")
def preferences(request: HttpRequest, caller: Caller) -> HttpResponse:
    form = TopUpForm(request.POST or None)
    if request.method == "POST" and not form.is_valid():
        return _page(request, caller, preferences=form)

    def act() -> HttpResponse:
        save_preferences(caller.workspace, **form.cleaned_data, actor=caller.actor, now=timezone.now())
        messages.success(request, "The settings for low balances are saved.")
        return redirect("pages:billing")

    return _moving_money(request, act)


@member_page("may_manage_billing")
def profile(request: HttpRequest, caller: Caller) -> HttpResponse:
    form = ProfileForm(request.POST or None)
    if request.method == "POST" and not form.is_valid():
        return _page(request, caller, profile=form)

    def act() -> HttpResponse:
        save_profile(caller.workspace, form.cleaned_data, caller.actor, timezone.now())
        messages.success(request, "The billing profile is saved. Invoices from now on print it.")
        return redirect("pages:billing")

    return _moving_money(request, act)


@member_page("may_see_invoices")
def pdf(request: HttpRequest, caller: Caller, invoice_id: str) -> HttpResponse:
    invoice = get_object_or_404(Invoice.objects.select_related("workspace"), workspace=caller.workspace, public_id=invoice_id)
    return pdf_response(issued_invoice(invoice), invoice.number or invoice.public_id)


@member_page("may_see_invoices")
def export_csv(request: HttpRequest, caller: Caller, kind: str) -> HttpResponseBase:
    """Everything so far, as bookkeepers want it."""
    if kind not in EXPORTS:
        raise NotFound("There is no such export.")
    now = timezone.now()
    return export(kind, Period(caller.workspace.created_at, now), caller.workspace)


def _page(request: HttpRequest, caller: Caller, **forms: Any) -> HttpResponse:
    workspace, now = caller.workspace, timezone.now()
    account, terms = account_of(workspace), terms_of(workspace)
    invoices = Invoice.objects.filter(workspace=workspace, status__in=OWED).select_related("dunning")
    context = {
        "workspace": workspace,
        "account": account,
        "balance": balance_of(workspace, now),
        "now": now,
        "stripe": is_configured(),
        "instructions": settings.PAYMENT_INSTRUCTIONS,
        "owed": invoices.order_by("due_at"),
        "grants": grants_of(workspace)[:SHOWN],
        "payments": workspace.payments.select_related("invoice", "grant").order_by("-pk")[:SHOWN],
        "buy": BuyForm(),
        "preferences": TopUpForm(initial={name: getattr(account, name) for name in PREFERENCES}),
        "profile": ProfileForm(initial=ProfileForm.initial_of(terms)),
    }
    return render(request, "metering/billing.html", context | forms)


def _pay(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    now = timezone.now()
    if not PaymentAccount.objects.filter(workspace=invoice.workspace).exclude(method_id="").exists():
        return redirect(payment_page(invoice, now))
    attempt = charge_now(invoice, now)
    if attempt.status == PaymentAttempt.Status.SUCCEEDED:
        messages.success(request, f"Thank you: invoice {invoice.number} is paid.")
    elif attempt.status == PaymentAttempt.Status.DECLINED:
        messages.error(request, f"The payment was declined: {attempt.message} Save another method, and try again.")
    else:
        messages.info(request, "The payment is under way. It shows here as soon as it is confirmed.")
    return redirect("pages:billing")


def _moving_money(request: HttpRequest, act: Callable[[], HttpResponse]) -> HttpResponse:
    """By POST only; a refusal, and a payment service that is away, are said on the page."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        return act()
    except Refusal as refusal:
        messages.error(request, refusal.message)
    except (StripeUnavailable, StripeRefused):
        messages.error(request, STRIPE_AWAY)
    return redirect("pages:billing")


def _welcome_back(request: HttpRequest, caller: Caller) -> None:
    """After Stripe's page: what it said is fetched, never believed from the address."""
    if "paid" in request.GET:
        messages.info(request, "Thank you. The payment shows here as soon as it is confirmed.")
    if "saved" in request.GET and is_configured():
        try:
            session = account_of(caller.workspace).setup_session_id
            if session:
                take_setup_session(session, timezone.now())
        except (StripeUnavailable, StripeRefused):
            messages.info(request, "The payment method shows here as soon as it is confirmed.")
