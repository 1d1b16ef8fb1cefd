"""What the operator sets, from the environment. Everything but the first two has a default."""

import os
from dataclasses import dataclass, field
from pathlib import Path

HOLD = ("always", "prepaid")
WHEN_UNAVAILABLE = ("postpaid", "allow", "refuse")


class SettingsRefused(Exception):
    """The plug-in cannot start like this; the message says what to set."""


@dataclass(frozen=True)
class Settings:
    url: str
    token: str = field(repr=False)
    spool: Path
    spool_bytes: int
    hold: str
    when_unavailable: str
    key_grace_seconds: float
    timeout_seconds: float
    body_bytes: int
    also_pass: frozenset[str]


def read_settings(environment: "os._Environ[str] | dict[str, str]" = os.environ) -> Settings:
    """Raises SettingsRefused, naming the variable."""
    return Settings(
        url=_required(environment, "OMIXA_URL").rstrip("/"),
        token=_required(environment, "OMIXA_GATEWAY_TOKEN"),
        spool=Path(environment.get("OMIXA_SPOOL") or "omixa-spool").expanduser().resolve(),
        spool_bytes=round(_number(environment, "OMIXA_SPOOL_MAX_MB", 1024) * 1024 * 1024),
        hold=_one_of(environment, "OMIXA_HOLD", HOLD),
        when_unavailable=_one_of(environment, "OMIXA_WHEN_UNAVAILABLE", WHEN_UNAVAILABLE),
        key_grace_seconds=_number(environment, "OMIXA_KEY_GRACE_SECONDS", 3600),
        timeout_seconds=_number(environment, "OMIXA_TIMEOUT_SECONDS", 2),
        body_bytes=round(_number(environment, "OMIXA_MAX_BODY_MB", 32) * 1024 * 1024),
        also_pass=frozenset(filter(None, (environment.get("OMIXA_ALSO_PASS") or "").replace(" ", "").split(","))),
    )


def _required(environment: "os._Environ[str] | dict[str, str]", name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SettingsRefused(f"{name} is not set: the plug-in needs the address of Omixa billing and a gateway's token.")
    return value


def _number(environment: "os._Environ[str] | dict[str, str]", name: str, default: float) -> float:
    stated = environment.get(name) or str(default)
    try:
        number = float(stated)
    except ValueError:
        raise SettingsRefused(f"{name} is {stated!r}, which is not a number.") from None
    if not 0 < number < 1e9:
        raise SettingsRefused(f"{name} is {stated}; it must be more than 0.")
    return number


def _one_of(environment: "os._Environ[str] | dict[str, str]", name: str, choices: tuple[str, ...]) -> str:
    stated = environment.get(name) or choices[0]
    if stated not in choices:
        raise SettingsRefused(f"{name} is {stated!r}; it must be one of {', '.join(choices)}.")
    return stated
