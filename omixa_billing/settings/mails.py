"""The mail server."""

from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from omixa_billing.settings.environment import env


def mail_server(address: str) -> dict[str, Any]:
    """Django's settings for the mail server at this address; none without one."""
    if address.startswith("consolemail:"):
        raise ImproperlyConfigured("EMAIL_URL is consolemail://, which would write links that open accounts into a log.")
    return dict(env.email_url_config(address)) if address else {}


EMAIL_URL = env.str("EMAIL_URL", default="")
EMAIL_BACKEND = "workspaces.mails.outgoing.NowhereBackend"
vars().update(env.checked(partial(mail_server, EMAIL_URL), instead={}))
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=20)  # seconds; a mail server that hangs must not hold a worker
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Omixa billing <billing@localhost>")
