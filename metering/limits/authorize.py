"""May this request run, and what may it cost at most? One call of a function in the database decides and holds.

The price is worked out here, from a table in memory; whether the key works, what its budgets and its balance have left, and the
hold itself are one transaction there (migrations/_limits.py), which does not wait for the disk.
"""

import hashlib
import json
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.utils import timezone
from psycopg import Cursor
from psycopg.types.numeric import Int4

from metering.ingest.formats.events import request_hash
from metering.limits.changed import want_balance
from metering.limits.errors import BalanceUnknown, HoldEnded, HoldUnknown, RequestReused
from metering.limits.estimate import Estimate, cost_estimate
from metering.limits.gateway.answers import allowed_json, refused_json
from metering.limits.gateway.requests import Authorize, Extend
from metering.limits.known import KnownKey, key_of_id, key_of_secret
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.embedded.home import uses_embedded_postgres
from workspaces.ids import new_id
from workspaces.keys.secrets import Kind, secret_kind, sha256
from workspaces.models import Gateway
from workspaces.redaction import redact

AUTHORIZE = """
SELECT metering_authorize(%s, %s, %s::bytea, %s, %s::bytea, %s::bytea, %s, %s, %s, %s::numeric, %s::numeric, %s, %s, %s,
                          %s, %s::jsonb, %s, %s, %s::timestamptz)
"""
EXTEND = "SELECT metering_extend(%s, %s, %s, %s, %s, %s, %s::timestamptz)"
RELEASE = "SELECT metering_release(%s, %s, %s::timestamptz)"

KEEP_AFTER = 5 if uses_embedded_postgres() else None  # executions

# Refused by the form of the secret alone.
OF_OTHER_KINDS = (Kind.ADMIN, Kind.GATEWAY, Kind.OPERATOR)
UNKNOWN = "unknown_key"


class Presented(NamedTuple):
    """A key of ours as a gateway names it: by its secret's SHA-256, or by its id."""

    key: KnownKey
    sha256: bytes | None


def authorize(asked: Authorize, gateway: Gateway, now: datetime | None = None) -> dict[str, Any]:
    """The decision as the gateway hears it; `now` is the database's clock, or a test's.

    Raises InvalidParameter, RequestReused, HoldEnded, BalanceUnknown.
    """
    presented = _presented(asked)
    if isinstance(presented, str):
        return refused_json({"reason": presented}, asked.request_id)
    if gateway.bound_to and presented.key.workspace_id not in gateway.bound_to:
        return refused_json({"reason": UNKNOWN}, asked.request_id)
    at = now or timezone.now()
    found = cost_estimate(
        asked.model,
        presented.key.workspace_id,
        asked.service_tier,
        asked.input_tokens,
        asked.max_output_tokens,
        at,
    )
    verdict = _decided(asked, gateway, presented, found, now)
    match verdict["verdict"]:
        case "allowed":
            return allowed_json(verdict["answer"])
        case "conflict":
            raise RequestReused(
                f"The request id {asked.request_id} was used with other content: each request has an id of its own."
            )
        case "ended":
            raise HoldEnded(f"The request {asked.request_id} was released: a new one has an id of its own.")
    return refused_json(verdict, asked.request_id)


def _presented(asked: Authorize) -> Presented | str:
    """The key, or the reason why there is none. Raises InvalidParameter."""
    if asked.key is not None and asked.key_id is None:
        kind = secret_kind(asked.key)
        if kind in OF_OTHER_KINDS:
            return "wrong_kind_of_key"
        digest = sha256(asked.key)
        key = None if kind is None else key_of_secret(digest)
        return UNKNOWN if key is None else Presented(key, digest)
    if asked.key_id is not None and asked.key is None:
        key = key_of_id(asked.key_id)
        return UNKNOWN if key is None else Presented(key, None)
    raise InvalidParameter("Name the key either as the secret that was presented (key) or by its id (key_id).", param="key")


def _decided(asked: Authorize, gateway: Gateway, presented: Presented, found: Estimate, now: datetime | None) -> dict[str, Any]:
    said = {
        "request_id": asked.request_id,
        "price_id": found.price_id,
        "asked_output_tokens": found.max_output_tokens,
        "warnings": [] if found.is_priced else ["unpriced"],
    }
    parameters = [
        gateway.pk,
        presented.key.key_id,
        presented.sha256,
        asked.request_id,
        request_hash(asked.request_id),
        fingerprint(asked, presented.key),
        new_id("hold"),
        asked.model,
        asked.user or "",
        found.fixed,
        found.per_token,
        asked.input_tokens,
        found.max_output_tokens,
        settings.AUTHORIZE_LEAST_OUTPUT_TOKENS,
        not found.is_priced,
        json.dumps(said),
        asked.ttl_seconds or settings.HOLD_SECONDS,
        bool(asked.dry_run),
        now,
    ]
    return _called(AUTHORIZE, parameters, now)


def _called(statement: str, parameters: list[Any], now: datetime | None) -> dict[str, Any]:
    """The verdict; where the balance had to be worked out first, the one after that. Raises BalanceUnknown."""
    verdict = _call(statement, parameters)
    if verdict["verdict"] == "stale":
        want_balance(verdict["workspace"], now or timezone.now())
        verdict = _call(statement, parameters)
    if verdict["verdict"] == "stale":
        raise BalanceUnknown("The prepaid balance is not known yet, so nothing was decided: ask again.", retry_after=1)
    return verdict


def _call(statement: str, parameters: list[Any]) -> dict[str, Any]:
    """The verdict of a statement that the embedded server keeps prepared. A pooler before a user's server might mix them up."""
    connection.ensure_connection()
    raw = connection.connection
    raw.prepare_threshold = KEEP_AFTER
    with connection.wrap_database_errors, Cursor(raw) as cursor:
        cursor.execute(statement, [Int4(each) if type(each) is int else each for each in parameters])
        [(verdict,)] = cursor.fetchall()
    return verdict if isinstance(verdict, dict) else json.loads(verdict)


def fingerprint(asked: Authorize, key: KnownKey) -> bytes:
    """16 bytes that tell the same request from another one under its id. How long it is held is no part of what it is."""
    content = [
        key.key_id,
        asked.model,
        asked.service_tier or "",
        asked.input_tokens,
        asked.max_output_tokens,
        asked.user or "",
        asked.endpoint or "",
    ]
    return hashlib.sha256(json.dumps(content).encode()).digest()[:16]


def extend(hold_id: str, asked: Extend, gateway: Gateway, now: datetime | None = None) -> dict[str, Any]:
    """A longer stream, in the same shape as the decision. Raises HoldUnknown, HoldEnded, BalanceUnknown."""
    parameters = [
        gateway.pk,
        redact(hold_id),
        asked.output_tokens_so_far,
        settings.AUTHORIZE_OUTPUT_TOKENS,
        settings.AUTHORIZE_LEAST_OUTPUT_TOKENS,
        asked.ttl_seconds or settings.HOLD_SECONDS,
        now,
    ]
    verdict = _called(EXTEND, parameters, now)
    match verdict["verdict"]:
        case "allowed":
            return allowed_json(verdict["answer"])
        case "unknown":
            raise HoldUnknown(f"This gateway has no hold {hold_id}.")
        case "ended":
            raise HoldEnded(f"The hold {hold_id} has ended: its request was settled or released.")
    return refused_json(verdict, verdict["request_id"])


def release(hold_id: str, gateway: Gateway, now: datetime | None = None) -> dict[str, Any]:
    """Ends a hold whose request never reached a provider. Releasing it again changes nothing. Raises HoldUnknown, HoldEnded."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, [gateway.pk, hold_id, now])
        (status,) = cursor.fetchone()
    if status is None:
        raise HoldUnknown(f"This gateway has no hold {hold_id}.")
    if status == 1:
        raise HoldEnded(f"The hold {hold_id} was settled by an event: it cannot be released any more.")
    return {"hold_id": hold_id, "released": True}
