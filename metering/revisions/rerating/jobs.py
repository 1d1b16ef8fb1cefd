"""Rates recorded events again by an operator's order, transaction by transaction, leaving the old cost on the trail.

The order's row is locked in each transaction and its cursor moves with it: two workers take turns, a killed one has changed
either all of its last set or nothing of it, and a finished order changes nothing more.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from metering.catalogue.models import LanguageModel
from metering.ingest.models import EventCorrection
from metering.jobs.progress import Progress, unheard
from metering.money import from_pico
from metering.pricing.current import current_rates
from metering.revisions.change_events import EventChange, change_events
from metering.revisions.corrections.trail import Entry, append
from metering.revisions.rerating.intervals import BEGINNING, RatingPosition, RatingScope
from metering.revisions.rerating.plan import scope_for
from metering.revisions.rerating.rerate_events import changes_of_rating, next_events
from metering.revisions.stored_events import look_up_by_key
from metering.rollups.models import Rerating
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.instants import instant_text
from omixa_billing.reminders import remind
from workspaces import audit
from workspaces.models import Workspace
from workspaces.names import is_storable

LONGEST_REASON = 1_000


def order_rerating(
    model: LanguageModel | None,
    workspace: Workspace | None,
    scope: RatingScope,
    *,
    reason: str,
    plan: Sequence[dict[str, Any]],
    actor: str,
    now: datetime,
) -> Rerating:
    """The order, audited; a worker is reminded. `plan` is the result of the dry run, for comparison.

    Raises InvalidParameter without a reason.
    """
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON or not is_storable(reason):
        raise InvalidParameter("Say why usage is to be rated again, in at most 1,000 characters.", param="reason")
    with transaction.atomic():
        order = Rerating.objects.create(
            actor=actor,
            reason=reason,
            model=model,
            workspace=workspace,
            start=scope.start,
            end=scope.end,
            plan=list(plan),
            created_at=now,
        )
        audit.record(
            actor,
            "rerating.ordered",
            order.public_id,
            workspace,
            now=now,
            reason=reason,
            model=model and model.slug,
            start=instant_text(scope.start),
            end=instant_text(scope.end),
        )
        transaction.on_commit(lambda: remind("metering.continue_reratings"))
    return order


def continue_orders(now: datetime, progress: Progress = unheard) -> int:
    """Works off what is ordered and unfinished, oldest first, and returns how many events it changed."""
    running = Rerating.objects.filter(status=Rerating.Status.RUNNING).order_by("id")
    return sum(continue_rerating(pk, now, progress) for pk in list(running.values_list("pk", flat=True)))


def continue_rerating(order_id: int, now: datetime, progress: Progress = unheard) -> int:
    """Works one order off, unless another worker is at it. Returns how many events this call changed.

    `progress` hears how many events the order has changed, of how many the dry run planned.
    """
    before, plan = Rerating.objects.values_list("changed", "plan").get(pk=order_id)
    planned = sum(each["requests"] for each in plan)
    changed = 0
    while (count := _rate_some(order_id, now)) is not None:
        changed += count
        progress(before + changed, max(planned, before + changed))
    return changed


def _rate_some(order_id: int, now: datetime) -> int | None:
    """One transaction's worth; None when there is nothing to do here, or no longer."""
    with transaction.atomic():
        rates = current_rates()
        look_up_by_key()
        running = Rerating.objects.filter(pk=order_id, status=Rerating.Status.RUNNING)
        order = running.select_for_update(skip_locked=True, of=("self",)).select_related("model", "workspace").first()
        if order is None:
            return None
        scope = scope_for(order.model, order.workspace, order.start, order.end, now)
        found = next_events(scope, rates, _position(order), lock=True)
        changes = changes_of_rating(found.events, rates)
        append((_entry(order, each) for each in changes if each.event.state.cost is not None), now)
        change_events(changes, now)
        _note(order, len(found.events), changes)
        _move_on(order, found.next, now)
    return len(changes)


def _position(order: Rerating) -> RatingPosition:
    if order.at_workspace is None or order.at_time is None or order.at_event is None:
        return BEGINNING
    return RatingPosition(order.at_workspace, order.at_time, order.at_event)


def _entry(order: Rerating, change: EventChange) -> Entry:
    action = EventCorrection.Action.RERATE
    event, after = change
    return Entry(event, action, order.reason, order.actor, event.state, after, rerating_id=order.pk)


def _note(order: Rerating, examined: int, changes: Sequence[EventChange]) -> None:
    order.examined += examined
    order.changed += len(changes)
    order.priced += sum(each.event.state.cost is None for each in changes)
    order.cost_before += from_pico(sum(each.event.state.cost or 0 for each in changes))
    order.cost_after += from_pico(sum(each.after.cost or 0 for each in changes))


def _move_on(order: Rerating, position: RatingPosition | None, now: datetime) -> None:
    if position is None:
        order.status, order.finished_at = Rerating.Status.FINISHED, now
    else:
        order.at_workspace, order.at_time, order.at_event = position
    order.save()
