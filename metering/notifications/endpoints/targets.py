"""Where webhooks may go, as far as the text of an address says. What its name resolves to is looked at when it is sent."""

import unicodedata

from django.conf import settings
from yarl import URL

from metering.notifications.delivery.addresses import HTTP, HTTPS, AddressRefused, check_address
from omixa_billing.api.errors import InvalidParameter
from workspaces.redaction import holds_secret

LONGEST_URL = 2048


def clean_url(text: str) -> str:
    """Raises InvalidParameter for what nothing can be sent to."""
    text = text.strip()
    if not text or len(text) > LONGEST_URL or any(unicodedata.category(each)[0] in "CZ" for each in text):
        raise _refused(f"The URL is from 1 to {LONGEST_URL:,} characters, without spaces.")
    if holds_secret(text):
        raise _refused("The URL contains a whole omx_ key or token: webhooks are signed with a secret of their own.")
    try:
        url = URL(text)
        host, port = url.host, url.explicit_port
    except ValueError:
        raise _refused("This is not a URL: write it as https://example.com/webhooks.") from None
    if url.scheme == HTTP and not settings.WEBHOOKS_PRIVATE_ADDRESSES:
        raise _refused("Webhooks are sent by https only.")
    if url.scheme not in (HTTPS, HTTP) or not host or port == 0:
        raise _refused("The URL begins with https:// and names a server, such as https://example.com/webhooks.")
    if url.user is not None or url.password is not None:
        raise _refused("The URL has a user or a password: the receiver knows us by the signature instead.")
    if url.raw_fragment:
        raise _refused("The URL has a part behind #, which is never sent to a server.")
    _check_host(host, url.scheme)
    return text


def _check_host(host: str, scheme: str) -> None:
    try:
        check_address(host, scheme)
    except AddressRefused as refused:
        raise _refused(str(refused)) from None
    except ValueError:  # a name
        if host.rstrip(".").lower() == "localhost" and not settings.WEBHOOKS_PRIVATE_ADDRESSES:
            raise _refused("This is a name of this machine: webhooks are not sent into private networks.") from None


def _refused(message: str) -> InvalidParameter:
    return InvalidParameter(message, param="url")
