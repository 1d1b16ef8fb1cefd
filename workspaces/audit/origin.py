"""Where an act comes from: the request that a process is answering, kept for the length of it.

The trail's address and user agent come from here and from nowhere else, so that no act can forget or invent them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from django.http import HttpRequest

from omixa_billing.command_actor import COMMANDS, this_command
from omixa_billing.http.addresses import CONSOLE
from omixa_billing.http.client_address import UNKNOWN, client_address
from workspaces.audit.models import AuditEntry

LONGEST_USER_AGENT = 300
KEYS, GATEWAYS = ("key_", "omx_"), "gw_"  # an id, or the front of a refused secret
OPERATOR_KEYS = "opkey_"
PROVIDERS = {"stripe", "github"}

Kind = AuditEntry.ActorKind


@dataclass(slots=True)
class RequestOrigin:
    """A request, as far as the trail tells of it. `console`: it came through the operators' console."""

    ip_address: str | None
    user_agent: str
    console: bool
    request: HttpRequest | None = None
    # In whose names entries were recorded while it was answered.
    actors: set[str] = field(default_factory=set)


NOBODY, NOT_OURS, OTHERS = "nobody", "not a key of ours", "others"
STRANGERS = {NOBODY, NOT_OURS, OTHERS}

_origin: ContextVar[RequestOrigin | None] = ContextVar("origin of the request", default=None)


def current_origin() -> RequestOrigin | None:
    """None in a command, a job or anything else that no request asked for."""
    return _origin.get()


@contextmanager
def coming_from(origin: RequestOrigin | None) -> Iterator[None]:
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def origin_of(request: HttpRequest) -> RequestOrigin:
    address = client_address(request)
    agent = request.headers.get("User-Agent", "").replace("\0", "")[:LONGEST_USER_AGENT]
    return RequestOrigin(None if address == UNKNOWN else address, agent, request.path_info.startswith(CONSOLE), request)


def kind_of_actor(actor: str, origin: RequestOrigin | None) -> str:
    """What an actor's name stands for. A person counts as an operator in the console, and where no request is: what runs
    without one in a person's name was ordered there.
    """
    if actor in STRANGERS:
        return Kind.STRANGER
    if actor.startswith(COMMANDS):
        return Kind.COMMAND
    if "@" in actor:  # before the rest: a person's address may begin like a key's id
        return Kind.OPERATOR if origin is None or origin.console else Kind.MEMBER
    if actor.startswith(OPERATOR_KEYS):
        return Kind.OPERATOR
    if actor.startswith(KEYS):
        return Kind.KEY
    if actor.startswith(GATEWAYS):
        return Kind.GATEWAY
    return Kind.PROVIDER if actor in PROVIDERS else Kind.SYSTEM


def current_actor(otherwise: str = "") -> str:
    """Whose credential the request carries; in a command, the account that runs it; else `otherwise`."""
    origin = current_origin()
    if origin is None:
        return this_command() or otherwise or NOBODY
    caller = getattr(origin.request, "auth", None)
    user = getattr(origin.request, "user", None)
    if caller is not None and hasattr(caller, "actor"):
        return str(caller.actor)
    return str(user.get_username()) if user is not None and user.is_authenticated else otherwise or NOBODY
