"""Acts of operators' programs, once for each `Idempotency-Key`: the act and what it is answered are one transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction

from metering.errors import IdempotencyKeyReused
from metering.operator_api.models import OperatorRequest
from metering.payments.idempotency import HEADER, digest_of
from omixa_billing.advisory_locks import LockClass, lock_text
from omixa_billing.api.errors import Refusal
from workspaces.operators.authentication import OperatorCaller, check_still_works

Answer = dict[str, Any]


def answered_once(
    caller: OperatorCaller,
    key: str,
    asked: dict[str, Any],
    act: Callable[[], Answer],
    now: datetime,
    prepare: Callable[[], object] | None = None,
) -> Answer:
    """What `act` answered when the key was first used. Two at once wait for each other; what `act` raises is not remembered.

    `prepare` asks Stripe for what must be so before the act, outside its transaction. Raises IdempotencyKeyReused when the key
    asked for something else before, and Unauthenticated where the caller's own key was revoked meanwhile.
    """
    asked_as = digest_of(asked)
    if (before := _remembered(caller, key, asked_as)) is not None:
        return before
    try:
        if prepare is not None:
            prepare()
    except Refusal:
        with _one_at_a_time(caller, key):  # the same act may have been done meanwhile, which is why it is refused now
            if (before := _remembered(caller, key, asked_as)) is not None:
                return before
        raise
    with _one_at_a_time(caller, key):
        if (before := _remembered(caller, key, asked_as)) is not None:
            return before
        check_still_works(caller, now)
        answer = act()
        OperatorRequest.objects.create(operator_key=caller.key, key=key, asked=asked_as, answer=answer, created_at=now)
        return answer


@contextmanager
def _one_at_a_time(caller: OperatorCaller, key: str) -> Iterator[None]:
    with transaction.atomic():
        lock_text(LockClass.IDEMPOTENCY_KEY, f"{caller.key.pk} {key}")
        yield


def _remembered(caller: OperatorCaller, key: str, asked: str) -> Answer | None:
    before = OperatorRequest.objects.filter(operator_key=caller.key, key=key).first()
    if before is None:
        return None
    if before.asked != asked:
        raise IdempotencyKeyReused(f"This {HEADER} was used for another request: send a new one.", param=HEADER)
    answer: Answer = before.answer
    return answer
