"""Telling the operators by mail what needs a person."""

import json
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.urls import reverse

log = structlog.get_logger(__name__)
MOST_FINDINGS = 20


def alert_operators(subject: str, findings: list[dict[str, Any]]) -> None:
    """One mail to OPERATOR_EMAILS, if there are any. A mail that cannot be sent does not stop the job."""
    if not settings.OPERATOR_EMAILS:
        return
    listed = "\n".join(json.dumps(each) for each in findings[:MOST_FINDINGS])
    more = f"\n… and {len(findings) - MOST_FINDINGS} more." if len(findings) > MOST_FINDINGS else ""
    text = f"{listed}{more}\n\n{settings.PUBLIC_URL}{reverse('admin:metering_jobrun_changelist')}\n"
    try:
        send_mail(subject, text, settings.DEFAULT_FROM_EMAIL, settings.OPERATOR_EMAILS)
    except OSError:
        log.exception("alert_not_sent", subject=subject)
