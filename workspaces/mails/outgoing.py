"""Whether mails leave this machine. Without `EMAIL_URL` they go nowhere: in a log their links would open accounts."""

from collections.abc import Sequence

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

log = structlog.get_logger(__name__)

NO_MAIL_SERVER = "Not sent: no mail server. Set EMAIL_URL."


class NoMailServer(OSError):
    """There is no mail server to hand the mail to."""

    def __init__(self) -> None:
        super().__init__(NO_MAIL_SERVER)


def sends_mail() -> bool:
    return str(settings.EMAIL_BACKEND) != f"{__name__}.NowhereBackend"


class NowhereBackend(BaseEmailBackend):
    """Drops mails, and says so without a word of what is in them or to whom they are."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        log.warning("mail_not_sent", mails=len(email_messages), reason="no mail server: set EMAIL_URL")
        return 0
