"""What settings say about limits."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from omixa_billing.embedded import redis
from omixa_billing.environment import Environment
from omixa_billing.rate_limits.rates import parse_request_rate

DEFAULTS = {"api": "1200/m", "pages": "1200/m", "anonymous": "600/m", "sign_in": "60/m", "webhooks": "1200/m"}
# Of allauth's pages, counted in the shared cache: "ip" is the caller's address, "key" what `workspaces.signin.limits` says,
# a person for codes of the second factor, or the address that a mail goes to.
SIGN_IN_RATES = {
    "login": "60/m/ip",
    # Without the address's share, since allauth clears it with the person's after each right code.
    "login_failed": "5/5m/key,20/h/key",
    "login_failed_address": "20/m/ip,100/h/ip",
    "login_failed_anywhere": "50/h/key",
    "reset_password": "20/m/ip,3/10m/key,10/d/key",
}
PLAIN = ("redis://", "rediss://", "unix://")


def proxy_count(env: Environment) -> int:
    """How many proxies of ours a request passes, each adding to X-Forwarded-For."""
    count: int = env.int("TRUSTED_PROXY_COUNT", default=0)
    if not 0 <= count <= 10:
        raise ImproperlyConfigured(f"TRUSTED_PROXY_COUNT is how many proxies of yours stand in front, 0 to 10: not {count}.")
    return count


def rate_limits(env: Environment) -> dict[str, str]:
    """The rate of each group of endpoints, from RATE_LIMIT_API and the like. Empty when RATE_LIMITS is off."""
    if not env.bool("RATE_LIMITS", default=True):
        return {}
    return {group: env.checked(partial(_rate, env, group), instead=rate) for group, rate in DEFAULTS.items()}


def redis_url(own: str, broker: str) -> str:
    """Where all processes count: REDIS_URL, else the broker when it is one Redis, else the embedded Redis of this machine."""
    if own and not own.startswith(PLAIN):
        raise ImproperlyConfigured(
            "REDIS_URL is not the address of a Redis server: write redis://host:6379/0, rediss:// or unix:///path."
        )
    return own or broker_as_redis(broker) or f"unix://{quote(str(redis.socket_path()))}"


def broker_as_redis(broker: str) -> str | None:
    """A Celery broker's address as the Redis client writes it; None when the broker is no Redis, or several."""
    if broker.startswith(PLAIN[:2]) and ";" not in broker:
        return broker
    if broker.startswith("redis+socket://"):
        parts = urlsplit(broker)
        database = dict(pair.partition("=")[::2] for pair in parts.query.split("&")).get("virtual_host", "0")
        return f"unix://{quote(unquote(parts.path))}?db={database}"
    return None


def _rate(env: Environment, group: str) -> str:
    name = f"RATE_LIMIT_{group.upper()}"
    rate = env.str(name, default=DEFAULTS[group])
    try:
        parse_request_rate(rate)
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(f"{name}: {error}") from None
    return str(rate)
