"""Sending notices: each once, by Django's mail, as text and HTML, with the invoice as PDF where it is about a new one."""

from datetime import datetime, timedelta

import structlog
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Concat
from django.template.loader import render_to_string

from metering.invoicing.issued_pdf import issued_invoice
from metering.invoicing.models import Invoice
from metering.invoicing.terms import terms_of
from metering.money import cents_text
from metering.payments.mail_texts import text_of
from metering.payments.models import Notice
from metering.payments.notices import tell
from metering.periods import instant_text
from workspaces.models import Membership, Workspace

log = structlog.get_logger(__name__)

MOST_TRIES = 10
AT_ONCE = 200
LEASE = timedelta(minutes=10)
# Invoices finalized longer ago than this were told of by whatever came before this product.
NEWS_FOR = timedelta(days=30)


def send_waiting(now: datetime) -> dict[str, int]:
    """Writes the notices of invoices finalized meanwhile, then sends what waits. Counts of sent and failed."""
    tell_finalized(now)
    counts = {"sent": 0, "failed": 0}
    for _ in range(AT_ONCE):
        notice = _claim(now)
        if notice is None:
            break
        counts["sent" if _send(notice, now) else "failed"] += 1
    return counts


def tell_finalized(now: datetime) -> None:
    """A notice for each finalized invoice that has none; one that credits paid is told of as ready, too."""
    told = Notice.objects.filter(key=Concat(Value("invoice_ready:"), OuterRef("public_id")))
    invoices = Invoice.objects.filter(finalized_at__gte=now - NEWS_FOR, status__in=["open", "paid"]).exclude(Exists(told))
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
        tell(invoice.workspace, "invoice_ready", f"invoice_ready:{invoice.public_id}", context, now)


def recipients_of(workspace: Workspace) -> list[str]:
    """The terms' recipients, or the workspace's address, or its owners'."""
    agreed = list(terms_of(workspace).recipients)
    if agreed or workspace.email:
        return agreed or [workspace.email]
    owners = workspace.memberships.filter(role=Membership.Role.OWNER)
    return list(owners.values_list("user__email", flat=True))


def _claim(now: datetime) -> Notice | None:
    """One to send, leased: whoever dies over it leaves it to the next. It may then be sent twice, never not at all."""
    with transaction.atomic():
        waiting = Notice.objects.filter(sent_at__isnull=True, tries__lt=MOST_TRIES)
        due = waiting.filter(Q(next_try_at__isnull=True) | Q(next_try_at__lte=now))
        notice = due.select_for_update(skip_locked=True, of=("self",)).select_related("workspace").order_by("pk").first()
        if notice is not None:
            notice.next_try_at = now + LEASE
            notice.save(update_fields=["next_try_at"])
        return notice


def _send(notice: Notice, now: datetime) -> bool:
    try:
        to = recipients_of(notice.workspace)
        if not to:
            raise LookupError("The workspace has no address: set the recipients in its billing terms.")
        message_of(notice, to).send()
    except Exception as error:
        log.exception("notice_not_sent", key=notice.key)
        wait = timedelta(minutes=2 ** min(notice.tries, 9))
        Notice.objects.filter(pk=notice.pk).update(
            tries=F("tries") + 1, error=f"{type(error).__name__}: {error}"[:2000], next_try_at=now + wait
        )
        return False
    Notice.objects.filter(pk=notice.pk).update(sent_at=now, error="", next_try_at=None)
    return True


def message_of(notice: Notice, to: list[str]) -> EmailMultiAlternatives:
    mail = text_of(notice.kind, notice.context)
    context = {"mail": mail, "workspace": notice.workspace}
    message = EmailMultiAlternatives(mail.subject, render_to_string("metering/mail.txt", context), to=to)
    message.attach_alternative(render_to_string("metering/mail.html", context), "text/html")
    if notice.kind == "invoice_ready":
        invoice = Invoice.objects.select_related("workspace").get(public_id=notice.context["invoice_id"])
        message.attach(f"{invoice.number}.pdf", issued_invoice(invoice), "application/pdf")
    return message
