"""Sending notices: each once, by Django's mail, as text and HTML, with the invoice as PDF where it is about a new one.

What cannot be sent now is tried again for ever, less and less often; what can never arrive waits for an address, or for a
person (`undeliverable.py`). Either stays visible with its error until it is sent.
"""

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import Concat
from django.template.loader import render_to_string

from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.documents.issued import issued_credit_note, issued_invoice
from metering.invoicing.models import Invoice
from metering.invoicing.terms.in_force import terms_of
from metering.jobs.progress import Progress, unheard
from metering.money import cents_text
from metering.payments.clock import ticking
from metering.payments.mails.disabled_webhooks import notify_of_disabled_webhooks
from metering.payments.mails.models import Notice, NoticeQuerySet
from metering.payments.mails.outbox import FOR_KEY_MANAGERS, FOR_OPERATORS, add_notice
from metering.payments.mails.texts import build_mail
from metering.payments.mails.undeliverable import NoAddress, is_server_away, retry_addressed, undeliverable_because
from metering.payments.refunds.attention import notify_of_surpluses
from omixa_billing.instants import Clock, instant_text
from workspaces import audit
from workspaces.access.authentication import KEY_MANAGERS
from workspaces.mails.outgoing import NO_MAIL_SERVER, NoMailServer, sends_mail
from workspaces.members.current import link_for
from workspaces.models import Membership, Workspace

log = structlog.get_logger(__name__)

# So many failures of the mail server in a row end a run: it is away, and may take its time to say so for each of the others.
ENOUGH_FAILURES = 3
# Mails that bring the invoice along.
WITH_PDF = ("invoice_ready", "payment_reminder", "past_due", "payment_reversed")
# Mails about invoices finalized longer ago than this were sent by the system before this product.
NEWS_FOR = timedelta(days=30)
# What waited longer than this for a mail server to be set up is no news any more: a person may still send it.
NEWS_WITHOUT_A_SERVER = timedelta(days=3)


def send_waiting(now: datetime | Clock, progress: Progress = unheard) -> dict[str, int]:
    """Writes the notices of what was finalized or came in surplus meanwhile, then sends what waits. Counts of sent, failed."""
    clock = ticking(now)
    began = clock()
    add_finalized_notices(began)
    notify_of_surpluses(began)
    notify_of_disabled_webhooks(began)
    retry_addressed(began)
    counts, in_a_row = {"sent": 0, "failed": 0}, 0
    if not sends_mail():
        Notice.objects.unsent().exclude(error=NO_MAIL_SERVER).update(error=NO_MAIL_SERVER, next_try_at=None)
        return counts
    for notice, at in _news(began).each_due(clock, progress):
        error = _send(notice, at)
        counts["failed" if error else "sent"] += 1
        in_a_row = in_a_row + 1 if error and is_server_away(error) else 0
        if in_a_row == ENOUGH_FAILURES:
            break
    return counts


def resend_notice(notice: Notice, actor: str, now: datetime) -> Notice:
    """Sends it now, whether it failed or was sent before. If it fails, it is tried again like any other."""
    with transaction.atomic():
        Notice.objects.filter(pk=notice.pk).update(sent_at=None, tries=0, next_try_at=now, error="", undeliverable="")
        audit.record(actor, "notice.sent_again", notice.key, notice.workspace, now=now)
    claimed = Notice.objects.unsent().filter(pk=notice.pk).claim(now)
    if claimed is not None:
        _send(claimed, now)
    notice.refresh_from_db()
    return notice


def add_finalized_notices(now: datetime) -> None:
    """A notice for each finalized invoice that has none; one that credits paid is announced as ready, too."""
    announced = Notice.objects.filter(key=Concat(Value("invoice_ready:"), OuterRef("public_id")))
    finalized = Invoice.objects.finalized().exclude(status=Invoice.Status.UNCOLLECTIBLE)
    invoices = finalized.filter(finalized_at__gte=now - NEWS_FOR).exclude(Exists(announced))
    for invoice in invoices.select_related("workspace", "workspace__payment_account").order_by("pk"):
        account = getattr(invoice.workspace, "payment_account", None)
        context = {
            "invoice_id": invoice.public_id,
            "number": str(invoice.number),
            "month": f"{invoice.period_start:%B %Y}",
            "amount_due": cents_text(invoice.amount_due),
            "due_at": instant_text(invoice.due_at) or "",
            "collected": "yes" if account and account.method_id else "",
        }
        add_notice(invoice.workspace, "invoice_ready", f"invoice_ready:{invoice.public_id}", context, now)


def recipients_of(workspace: Workspace) -> list[str]:
    """The terms' recipients, or the workspace's address, or its owners'."""
    agreed = list(terms_of(workspace).recipients)
    if agreed or workspace.email:
        return agreed or [workspace.email]
    owners = workspace.memberships.filter(role=Membership.Role.OWNER)
    return list(owners.values_list("user__email", flat=True))


def key_managers_of(workspace: Workspace) -> list[str]:
    """The addresses of its owners and admins who can sign in."""
    managers = workspace.memberships.filter(role__in=KEY_MANAGERS, user__is_active=True)
    return list(managers.order_by("user__email").values_list("user__email", flat=True))


def _news(now: datetime) -> NoticeQuerySet:
    """Those not sent yet, but for what waited in vain for a mail server."""
    return (
        Notice.objects.waiting()
        .select_related("workspace")
        .exclude(error=NO_MAIL_SERVER, created_at__lt=now - NEWS_WITHOUT_A_SERVER)
    )


def _send(notice: Notice, now: datetime) -> Exception | None:
    """What it failed by; None when it is sent."""
    if not sends_mail():
        Notice.objects.filter(pk=notice.pk).update(error=NO_MAIL_SERVER, next_try_at=None)
        return NoMailServer()
    try:
        to, missing = addresses_of(notice)
        if not to:
            raise NoAddress(missing)
        message_of(notice, to).send()
    except Exception as error:
        because = undeliverable_because(error)
        log.exception("notice_not_sent", key=notice.key, undeliverable=because)
        notice.put_off(error, now)
        if because:
            Notice.objects.filter(pk=notice.pk).update(undeliverable=because, next_try_at=None)
        return error
    Notice.objects.filter(pk=notice.pk).update(sent_at=now, error="", next_try_at=None)
    return None


def addresses_of(notice: Notice) -> tuple[list[str], str]:
    """The addresses that it goes to today, and what to do where there are none."""
    if notice.kind in FOR_OPERATORS:
        return list(settings.OPERATOR_EMAILS), "The operators have no address: set OPERATOR_EMAILS."
    workspace = _workspace_of(notice)
    if notice.kind in FOR_KEY_MANAGERS:
        return key_managers_of(workspace), "The workspace has no owner or admin who can sign in: invite one."
    missing = "The workspace has no address: set the recipients in its billing terms."
    return recipients_of(workspace), missing


def _workspace_of(notice: Notice) -> Workspace:
    """The workspace of a notice; only mails to operators are about none."""
    if notice.workspace is None:
        raise LookupError(f"A mail of the kind {notice.kind} is about a workspace.")
    return notice.workspace


def message_of(notice: Notice, to: list[str]) -> EmailMultiAlternatives:
    mail = build_mail(notice.kind, notice.context)
    for_operators = notice.kind in FOR_OPERATORS
    link = f"{settings.PUBLIC_URL}{mail.path}" if for_operators else link_for(_workspace_of(notice), mail.path)
    context = {"mail": mail, "link": link, "workspace": notice.workspace}
    message = EmailMultiAlternatives(mail.subject, render_to_string("mails/notice.txt", context), to=to)
    message.attach_alternative(render_to_string("mails/notice.html", context), "text/html")
    if notice.kind in WITH_PDF:
        invoice = Invoice.objects.select_related("workspace").get(public_id=notice.context["invoice_id"])
        message.attach(f"{invoice.number}.pdf", issued_invoice(invoice), "application/pdf")
    elif notice.kind == "credit_note_ready":
        note = CreditNote.objects.select_related("invoice__workspace").get(public_id=notice.context["credit_note_id"])
        message.attach(f"{note.number}.pdf", issued_credit_note(note), "application/pdf")
    return message
