"""Refused keys and tokens leave entries: one for a credential, a reason and an address in an hour. Of those that belong to
nobody there are so many in all.
"""

from datetime import datetime, timedelta
from typing import Any

import structlog

from omixa_billing.outage import STORAGE_ERRORS
from workspaces.audit.entries import record_once
from workspaces.audit.origin import NOT_OURS, current_origin
from workspaces.keys import secrets
from workspaces.models import Credential, OperatorKey, Workspace

REFUSALS_ARE_ONE_WITHIN = timedelta(hours=1)
MOST_REFUSALS = 500
UNKNOWN = "unknown"

log = structlog.get_logger(__name__)


def note_refused_credential(secret: str, why: str, now: datetime) -> None:
    """Notes that a request with this credential was refused. It never costs the refusal itself: a database that is away is
    logged.
    """
    if current_origin() is None:
        return
    prefix = NOT_OURS if secrets.secret_kind(secret) is None else secrets.prefix_of(secret)
    try:
        target, workspace = _owner(secret) if prefix != NOT_OURS else (prefix, None)
        most = MOST_REFUSALS if target in (UNKNOWN, NOT_OURS) else None
        times: dict[str, Any] = {"within": REFUSALS_ARE_ONE_WITHIN, "most": most}
        record_once(prefix, "credential.refused", target, workspace, now=now, **times, why=why)
    except STORAGE_ERRORS:
        log.exception("refusal_not_recorded")


def _owner(secret: str) -> tuple[str, Workspace | None]:
    """The key or gateway that it belongs or belonged to, and its workspace."""
    of_operators = OperatorKey.objects.filter(sha256=secrets.sha256(secret)).values_list("public_id", flat=True).first()
    if of_operators is not None:
        return of_operators, None
    owners = Credential.objects.select_related("api_key__workspace", "gateway")
    found = owners.filter(sha256=secrets.sha256(secret)).first()
    if found is not None and found.api_key is not None:
        return found.api_key.public_id, found.api_key.workspace
    return (found.gateway.public_id if found is not None and found.gateway is not None else UNKNOWN), None
