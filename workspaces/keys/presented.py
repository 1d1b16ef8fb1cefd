"""Which secret a request presents, for all that ask: the front, the limits, the redaction and the views.

`Authorization: Bearer` everywhere. Clients of Anthropic have one header more, which counts where only they call.
"""

from collections.abc import Callable

from django.http import HttpRequest

from omixa_billing.http.addresses import ANTHROPIC
from workspaces.keys.secrets import bearer_secret

AUTHORIZATION, X_API_KEY = "Authorization", "X-Api-Key"


def credential_headers(path: str) -> tuple[str, ...]:
    """The headers in which a secret belongs on this path; anywhere else it strays."""
    return (AUTHORIZATION, X_API_KEY) if path.startswith(ANTHROPIC) else (AUTHORIZATION,)


def presented_secret(path: str, header: Callable[[str], str | None]) -> str | None:
    """The first of them that names a secret, which may be empty; `header` gives the value of one, or None."""
    for name in credential_headers(path):
        value = header(name)
        secret = bearer_secret(value) if name == AUTHORIZATION else value and value.strip()
        if secret is not None:
            return secret
    return None


def secret_of(request: HttpRequest) -> str | None:
    return presented_secret(request.path_info, request.headers.get)
