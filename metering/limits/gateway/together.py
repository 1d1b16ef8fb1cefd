"""Decisions that are asked for at the same time: one statement for all of them, which costs little more than for one.

Only a question that is decided goes this way. What is refused as a question, or needs a second look, is left to its view.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog
from django.db import Error, connection

from metering.ingest.formats.bodies import decoded
from metering.ingest.intake.api import REFUSALS
from metering.limits.authorize import Authorization, decided, question_for_database
from metering.limits.gateway.requests import Authorize, read_request
from omixa_billing.api.errors import Refusal
from workspaces.models import Gateway

log = structlog.get_logger(__name__)

# In one order everywhere, so that two who decide about the same workspaces, keys and requests never wait in a circle.
TOGETHER = """
SELECT number,
       metering_authorize(gateway, key, secret, request_id, hash, asked, hold, model, "user", fixed, per_token, input, output,
                          least, unpriced, answer::jsonb, ttl, dry_run, NULL)
FROM (
    SELECT * FROM unnest(
        %s::int[], %s::int[], %s::int[], %s::bytea[], %s::text[], %s::bytea[], %s::bytea[], %s::text[], %s::text[], %s::text[],
        %s::numeric[], %s::numeric[], %s::int[], %s::int[], %s::int[], %s::boolean[], %s::text[], %s::int[], %s::boolean[]
    ) WITH ORDINALITY AS question (
        workspace, gateway, key, secret, request_id, hash, asked, hold, model, "user",
        fixed, per_token, input, output, least, unpriced, answer, ttl, dry_run, number
    )
    ORDER BY workspace, key, model, hash
) AS question
"""


class Question(NamedTuple):
    """The body of a request for a decision, complete."""

    gateway: Gateway
    body: bytes
    content_encoding: str


def decide_together(questions: Sequence[Question]) -> list[dict[str, Any] | None]:
    """The decision of each as the gateway reads it; None for what its view has to answer, of which nothing is held."""
    prepared = [_prepared(question) for question in questions]
    asked = [each for each in prepared if isinstance(each, Authorization)]
    try:
        verdicts = iter(_verdicts(asked))
    except Error as error:  # of one of them, or of all: each is tried by itself
        log.warning("decided_alone", questions=len(asked), error=str(error))
        verdicts = iter([None] * len(asked))
    return [_decision(each, next(verdicts)) if isinstance(each, Authorization) else each for each in prepared]


def _prepared(question: Question) -> Authorization | dict[str, Any] | None:
    try:
        body = decoded(question.body, question.content_encoding)
        return question_for_database(read_request(body, Authorize), question.gateway)
    except REFUSALS:
        return None


def _verdicts(asked: Sequence[Authorization]) -> list[dict[str, Any] | None]:
    """In the order of the questions."""
    if not asked:
        return []
    columns = [list(column) for column in zip(*(each.parameters for each in asked), strict=True)]
    workspaces = [each.key.workspace_id for each in asked]
    with connection.cursor() as cursor:
        cursor.execute(TOGETHER, [workspaces, *columns])
        found = dict(cursor.fetchall())
    return [found[number] for number in range(1, len(asked) + 1)]


def _decision(about: Authorization, verdict: dict[str, Any] | None) -> dict[str, Any] | None:
    try:
        return None if verdict is None else decided(about, verdict)
    except Refusal:
        return None
