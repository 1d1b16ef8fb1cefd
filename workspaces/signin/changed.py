"""What an operator changed about how a person signs in: the person's sessions, and the mail that tells them."""

from typing import Any

import structlog
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.mfa.base.internal.flows import delete_dangling_recovery_codes
from django.http import HttpRequest
from django.utils import timezone

from workspaces.models import User
from workspaces.signin.sessions import end_other_sessions, end_sessions

logger = structlog.get_logger(__name__)


def password(request: HttpRequest, user: User) -> None:
    _tell(request, user, "account/email/password_changed")


def password_by_command(user: User) -> None:
    """By a command there is no request to mail with, and a mail server that is away undoes nothing."""
    email = EmailAddress.objects.get_primary_email(user) or user.email
    try:
        get_adapter().send_mail("account/email/password_changed", email, {"by_operator": True, "timestamp": timezone.now()})
    except OSError as error:
        logger.warning("notification not sent", mail="account/email/password_changed", user=user.pk, error=str(error))


def address_changed(request: HttpRequest, user: User, before: str) -> None:
    """A mail to both addresses: the old one's reader must hear of it, and can no longer have a link sent there."""
    EmailAddress.objects.filter(user=user).exclude(email__iexact=user.email).delete()
    for email in (before, user.email):
        _tell(request, user, "account/email/email_changed", email, from_email=before, to_email=user.email)


def sessions_were_ended(request: HttpRequest, user: User) -> None:
    """Signs the person out everywhere and tells them; a person who does it to their own account stays signed in here."""
    _end(request, user)
    _tell(request, user, "account/email/sessions_ended")


def factor_removed(request: HttpRequest, user: User, kind: str) -> None:
    """Recovery codes do not outlive the last factor, and sessions that showed it end."""
    delete_dangling_recovery_codes(user)
    _end(request, user)
    _tell(request, user, f"mfa/email/{'webauthn_removed' if kind == 'webauthn' else 'totp_deactivated'}")


def _end(request: HttpRequest, user: User) -> None:
    if request.user == user:
        end_other_sessions(request, user)
    else:
        end_sessions(user)


def _tell(request: HttpRequest, user: User, mail: str, email: str | None = None, **about: Any) -> None:
    by_operator = request.user != user
    get_adapter(request).send_notification_mail(mail, user, {"by_operator": by_operator, **about}, email)
