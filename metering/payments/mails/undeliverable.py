"""What a failure to send a mail says: that the mail server is away, that this mail waits, or that it can never arrive.

One bad address is no dead server: only what fails before a recipient is named, or breaks the connection, ends a run.
"""

import re
import smtplib
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from metering.payments.mails.models import Notice
from metering.payments.mails.outbox import FOR_KEY_MANAGERS, FOR_OPERATORS
from workspaces.access.authentication import KEY_MANAGERS
from workspaces.models import Membership

# What got no address for longer than this is no news any more: a person may still send it.
NEWS_FOR = timedelta(days=30)
# An enhanced status code of policy or security, such as "relaying denied": it is about us, not about the address.
OF_POLICY = re.compile(r"^\s*5\.7\.")
OF_THE_SERVER = (
    *(smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError, smtplib.SMTPHeloError, smtplib.SMTPAuthenticationError),
    *(smtplib.SMTPNotSupportedError, smtplib.SMTPSenderRefused),
)


class NoAddress(LookupError):
    """There is nobody to send it to."""


def is_server_away(error: Exception) -> bool:
    """Whether the next mail would fail alike. An SMTP error is an OSError by its class, and one of its mail by its meaning."""
    if isinstance(error, smtplib.SMTPException):
        return isinstance(error, OF_THE_SERVER)
    return isinstance(error, OSError)


def undeliverable_because(error: Exception) -> str:
    """Why it is not tried again, as one of Notice.Undeliverable; empty where trying again may help."""
    if isinstance(error, NoAddress):
        return str(Notice.Undeliverable.NO_ADDRESS)
    answers: list[tuple[int, bytes | str]] = []
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        answers = list(error.recipients.values())
    elif isinstance(error, smtplib.SMTPDataError):
        answers = [(error.smtp_code, error.smtp_error)]
    refused = bool(answers) and all(code >= 500 and not OF_POLICY.match(_text(text)) for code, text in answers)
    return str(Notice.Undeliverable.REFUSED) if refused else ""


def retry_addressed(now: datetime) -> None:
    """Tries again what had no address, where there is one by now. One statement, however many there are."""
    owners = Membership.objects.filter(role=Membership.Role.OWNER).exclude(user__email="")
    managers = Membership.objects.filter(role__in=KEY_MANAGERS, user__is_active=True)
    has_recipients = (
        (Q(workspace__email__gt="") | Q(workspace__in=owners.values("workspace")))
        | Q(workspace__billing_terms__isnull=False) & ~Q(workspace__billing_terms__recipients=[])
    ) & ~Q(kind__in=[*FOR_KEY_MANAGERS, *FOR_OPERATORS])
    found = has_recipients | Q(kind__in=FOR_KEY_MANAGERS, workspace__in=managers.values("workspace"))
    if settings.OPERATOR_EMAILS:
        found |= Q(kind__in=FOR_OPERATORS)
    waiting = Notice.objects.unsent().filter(undeliverable=Notice.Undeliverable.NO_ADDRESS, created_at__gte=now - NEWS_FOR)
    found_now = list(waiting.filter(found).values_list("pk", flat=True))
    if found_now:
        Notice.objects.filter(pk__in=found_now).update(undeliverable="", next_try_at=now)


def _text(answer: bytes | str) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer
