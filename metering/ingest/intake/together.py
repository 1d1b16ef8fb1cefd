"""Requests that arrive at the same time: one statement and one commit for all of them, which cost little more than for one.

Only a batch that nothing is wrong with goes this way. What is refused, in whole or in part, is left to its view.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog
from django.db import Error
from django.utils import timezone

from metering.ingest.formats.bodies import decoded, redact_json
from metering.ingest.formats.payloads import InboxPayload
from metering.ingest.intake.api import REFUSALS
from metering.ingest.intake.inbox import put
from metering.ingest.intake.receive import admit, ask_for_processing
from metering.ingest.models import Batch
from workspaces.models import Gateway

log = structlog.get_logger(__name__)


class Posted(NamedTuple):
    """A request that is complete, for one of the endpoints that store batches."""

    gateway: Gateway
    content_type: str
    content_encoding: str
    body: bytes
    payload: Callable[[bytes, str], InboxPayload]


def receive_together(posted: Sequence[Posted]) -> list[Batch | None]:
    """The batch of each, once all are committed; None for what its view has to answer, of which nothing is stored."""
    now = timezone.now()
    batches = [_admitted(each, now) for each in posted]
    stored = [batch for batch in batches if batch is not None]
    if not stored:
        return batches
    try:
        put(stored)
    except Error as error:  # of one of them, or of all: each is tried by itself
        log.warning("batches_received_alone", batches=len(stored), error=str(error))
        return [None] * len(posted)
    ask_for_processing(stored)
    return batches


def _admitted(posted: Posted, now: datetime) -> Batch | None:
    try:
        body = redact_json(decoded(posted.body, posted.content_encoding))
        admitted = admit(posted.payload(body, posted.content_type), posted.gateway, now)
    except REFUSALS:
        return None
    return None if admitted.refused else admitted.batch
