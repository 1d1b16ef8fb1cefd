"""What settings say about leaked secrets. Read by Django's settings, so it imports no table."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from omixa_billing.environment import Environment

PUBLISHED = "https://api.github.com/meta/public_keys/secret_scanning"
ON_LEAKED_GATEWAY = ("tell", "revoke")


def scanning_keys_url(env: Environment) -> str:
    """Where GitHub publishes the keys that it signs reports with; empty switches the endpoint off."""
    address = str(env.str("SECRET_SCANNING_KEYS_URL", default=PUBLISHED))
    if address and not address.startswith(("https://", "http://")):
        raise ImproperlyConfigured(f"SECRET_SCANNING_KEYS_URL is an https:// address, or empty: {address!r} cannot be used.")
    return address


def on_leaked_gateway(env: Environment) -> str:
    """Whether operators are notified of a leaked token and decide, or its gateway is revoked at once too."""
    chosen = str(env.str("ON_LEAKED_GATEWAY", default=ON_LEAKED_GATEWAY[0]))
    if chosen not in ON_LEAKED_GATEWAY:
        raise ImproperlyConfigured(f"ON_LEAKED_GATEWAY is {' or '.join(ON_LEAKED_GATEWAY)}: {chosen!r} cannot be used.")
    return chosen
