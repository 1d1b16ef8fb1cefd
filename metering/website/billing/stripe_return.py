"""Back from Stripe's page: how things stand is asked of Stripe, never believed from the address."""

from datetime import datetime, timedelta

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest

from metering.dollars import usd_rounded
from metering.payments.accounts.customers import account_of
from metering.payments.accounts.methods import save_method_of_session
from metering.payments.collecting.attempts import sync_attempt
from metering.payments.models import PaymentAttempt
from metering.payments.provider.current import is_configured
from metering.payments.provider.errors import ProviderRefused, ProviderUnavailable
from metering.website.billing.pay_button import method_name
from workspaces.models import Workspace

CHECKING = "We are checking whether the payment went through. It shows here as soon as we know, and nothing is charged twice."
UNCONFIRMED = "The payment method shows here as soon as it is confirmed."
METHOD_BEFORE = "payment_method_before"
# A webhook may have been faster than the browser.
JUST_NOW = timedelta(minutes=10)
ASKED = 10


def leave_to_save(request: HttpRequest, workspace: Workspace) -> None:
    """Notes the method in place, so that it shows on return whether there is another one."""
    request.session[METHOD_BEFORE] = account_of(workspace).method_id


def report_outcome(request: HttpRequest, workspace: Workspace, now: datetime) -> None:
    """Takes in what happened on Stripe's page, and says it. Where nothing did, nothing is said."""
    if not is_configured():
        return
    try:
        if "paid" in request.GET:
            _paid(request, workspace, now)
        if "saved" in request.GET:
            _saved(request, workspace, now)
    except (ProviderUnavailable, ProviderRefused):
        messages.info(request, CHECKING if "paid" in request.GET else UNCONFIRMED)


def _paid(request: HttpRequest, workspace: Workspace, now: datetime) -> None:
    just_paid = Q(status=PaymentAttempt.Status.SUCCEEDED, settled_at__gt=now - JUST_NOW)
    on_page = PaymentAttempt.objects.filter(workspace=workspace, channel=PaymentAttempt.Channel.PAYMENT_PAGE)
    attempts = on_page.unsettled() | on_page.filter(just_paid)
    for attempt in attempts.exclude(session_id="").select_related("invoice", "top_up")[:ASKED]:
        _report(request, sync_attempt(attempt, now))


def _report(request: HttpRequest, attempt: PaymentAttempt) -> None:
    about = f"invoice {attempt.invoice}" if attempt.invoice else f"{usd_rounded(attempt.amount)} of credit"
    if attempt.status == PaymentAttempt.Status.SUCCEEDED:
        messages.success(request, f"Thank you: {about} is paid.")
    elif attempt.status == PaymentAttempt.Status.PROCESSING:
        messages.info(request, f"The payment of {about} is in progress. It shows here as soon as it is confirmed.")


def _saved(request: HttpRequest, workspace: Workspace, now: datetime) -> None:
    session = account_of(workspace).setup_session_id
    if session:
        save_method_of_session(session, now)
    before, account = request.session.pop(METHOD_BEFORE, None), account_of(workspace)
    if before is not None and account.method_id not in ("", before):
        messages.success(request, f"{method_name(account)} is saved. Invoices are charged to it from now on.")
