"""The environment as settings read it, and every reason not to start, said in one list instead of one at a time."""

import ipaddress
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

DEVELOPMENT, PRODUCTION = "development", "production"
SECRET_LENGTH = 50
SECRET_CHARACTERS = 10
# What a compressor makes of random text of that length is longer; of repeated or counted text it is shorter.
SECRET_COMPRESSED = 40
MAKE_A_SECRET = "Set it to random characters, as `python3 -c 'import secrets; print(secrets.token_urlsafe(50))'` prints them."  # noqa: S105


class Fault(NamedTuple):
    """One reason not to start, and what to do about it."""

    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.message} {self.fix}"


class SettingsRefused(ImproperlyConfigured):
    """The settings are not fit to start with. `faults` are all the reasons."""

    def __init__(self, faults: list[Fault]) -> None:
        lines = [f"  - {fault}" for fault in faults]
        super().__init__("\n".join([f"The settings have {len(faults)} fault{'s' * (len(faults) != 1)}:", *lines]))
        self.faults = faults


class Environment(environ.Env):
    """django-environ, but what cannot be read is noted as a fault, and its default stands until all are said."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[Fault] = []
        self.read: set[str] = set()  # the names of all settings

    def get_value(self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, parse_default: bool = False) -> Any:
        self.read.add(var)
        try:
            return super().get_value(var, cast=cast, default=default, parse_default=parse_default)
        except (ValueError, ArithmeticError) as error:
            if default is self.NOTSET:
                raise
            self.faults.append(Fault(f"{var} cannot be read: {error}.", f"Correct it, or unset it for {default}."))
            return default

    def checked(self, read: Callable[[], Any], instead: Any) -> Any:
        """What `read` gives; where it raises ImproperlyConfigured, that is a fault, and `instead` stands."""
        try:
            return read()
        except ImproperlyConfigured as error:
            self.faults.append(Fault(str(error), "Correct it, or unset it."))
            return instead

    def refuse_faults(self) -> list[str]:
        """Raises SettingsRefused when there are any; else the names of all settings that were read."""
        if self.faults:
            raise SettingsRefused(self.faults)
        return sorted(self.read)


def environment_fault(environment: str) -> list[Fault]:
    """OMIXA_ENV is one of two words: a misspelt `production` would be a development server on the internet."""
    if environment in (DEVELOPMENT, PRODUCTION):
        return []
    return [Fault(f"OMIXA_ENV is {environment!r}.", "Set it to production or to development; unset, it is development.")]


def production_faults(secret_key: str, debug: bool, public_url: str, allowed_hosts: list[str]) -> list[Fault]:
    """Why production does not start with these settings."""
    faults = secret_faults(secret_key)
    if debug:
        faults.append(Fault("DEBUG is on: production shows no tracebacks.", "Unset DEBUG."))
    if public_url_fault := _public_url_fault(public_url):
        faults.append(public_url_fault)
    if "*" in allowed_hosts:
        fix = "Set it to the host names that the product answers to, separated by commas."
        faults.append(Fault("ALLOWED_HOSTS has *, so a request may name any host as ours.", fix))
    return faults


def secret_faults(secret: str) -> list[Fault]:
    """Why this SECRET_KEY, which signs sessions and links, could be guessed."""
    if not secret or secret.startswith("change-me"):
        return [Fault("SECRET_KEY is missing or still the example's.", MAKE_A_SECRET)]
    if len(secret) < SECRET_LENGTH:
        message = f"SECRET_KEY has {len(secret)} characters, which are fewer than {SECRET_LENGTH}."
        return [Fault(message, MAKE_A_SECRET)]
    if len(set(secret)) < SECRET_CHARACTERS or len(zlib.compress(secret.encode(), 9)) < SECRET_COMPRESSED:
        return [Fault("SECRET_KEY repeats itself, so it can be guessed.", MAKE_A_SECRET)]
    return []


def _public_url_fault(public_url: str) -> Fault | None:
    """http is enough on this machine alone, where nothing lies between a browser and us."""
    try:
        parts = urlsplit(public_url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host:
        fix = "Set it to the https:// address at which people reach the product."
        return Fault(f"PUBLIC_URL is {public_url!r}, which is not a web address.", fix)
    if parts.scheme == "http" and not is_loopback(host):
        fix = "Put a proxy that ends TLS in front, and set PUBLIC_URL to its https:// address."
        return Fault(f"PUBLIC_URL is {public_url}: passwords and sessions would cross the network in the clear.", fix)
    return None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it by that name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
