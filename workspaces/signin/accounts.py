"""People's accounts. Members are invited, so signing up is closed unless the operator opens it (`OPEN_SIGNUP`).

Mails to people link to PUBLIC_URL, never to whatever host the request that caused them happened to name.
"""

from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from omixa_billing.http.client_address import UNKNOWN, client_address
from workspaces.models import User
from workspaces.signin import limits

SECONDS_PER_DAY = 86_400
NO_ADDRESS = "::"  # "unspecified": where the connection has none
TOO_MANY_ATTEMPTS = (
    "Too many attempts failed. Wait some minutes, use a browser in which you signed in before, or set a new password by mail."
)

logger = structlog.get_logger(__name__)


def public_address(name: str, *args: str) -> str:
    """The full address of one of our pages, as a mail names it."""
    return settings.PUBLIC_URL.rstrip("/") + reverse(name, args=args)


def password_link(user: User) -> str:
    """Where this person sets a password, without the one they had. It works once, for PASSWORD_RESET_TIMEOUT."""
    key = f"{user_pk_to_url_str(user)}-{default_token_generator.make_token(user)}"
    return str(get_adapter().get_reset_password_from_key_url(key))


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {"too_many_login_attempts": TOO_MANY_ATTEMPTS}

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(getattr(settings, "OPEN_SIGNUP", False))

    def get_client_ip(self, request: HttpRequest) -> str:
        """An address in any case: the library keeps it beside each session."""
        known = client_address(request)
        return NO_ADDRESS if known == UNKNOWN else known

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Before the password is hashed. A sign-in that succeeds takes its attempt back."""
        self._login_failed_rl_usage = limits.count_attempt(request, credentials.get("email", ""))
        if self._login_failed_rl_usage is None:
            raise self.validation_error("too_many_login_attempts")

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        """After a new password allauth would forget the failures of the whole address: NewPasswordForm does what is needed."""

    def post_login(self, request: HttpRequest, user: Any, **details: Any) -> HttpResponse:
        response = super().post_login(request, user, **details)
        limits.remember_browser(request, response, user)
        return response

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """`account/email/{name}`: its subject, its text and its HTML, with what every mail of ours may say."""
        known = {
            "email": email,
            "public_url": settings.PUBLIC_URL.rstrip("/"),
            "link_days": settings.PASSWORD_RESET_TIMEOUT // SECONDS_PER_DAY,
            "signup_url": public_address("account_signup") if settings.OPEN_SIGNUP else "",
        }
        self.render_mail(template_prefix, email, context | known).send()

    def send_notification_mail(
        self, template_prefix: str, user: Any, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Tells a person what changed about their account. The change is done: a mail server that is away does not undo it."""
        try:
            super().send_notification_mail(template_prefix, user, context, email)
        except OSError as error:
            logger.warning("notification not sent", mail=template_prefix, user=user.pk, error=str(error))

    def send_account_already_exists_mail(self, email: str) -> None:
        context = {"password_reset_url": public_address("account_reset_password")}
        self.send_mail("account/email/account_already_exists", email, context)

    def get_reset_password_from_key_url(self, key: str) -> str:
        user, _, token = key.partition("-")
        return public_address("account_reset_password_from_key", user, token)

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        return public_address("account_confirm_email", emailconfirmation.key)
