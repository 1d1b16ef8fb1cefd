"""What re-rating would change, month by month: read and rated as the job does it, with nothing changed and nothing held."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from metering.catalogue.models import LanguageModel
from metering.ingest.formats.events import MAX_AHEAD
from metering.periods import floor_month
from metering.pricing.current import current_rates
from metering.pricing.outlook import outlook_of
from metering.revisions.change_events import EventChange
from metering.revisions.rerating.intervals import BEGINNING, RatingPosition, RatingScope
from metering.revisions.rerating.rerate_events import changes_of_rating, next_events
from workspaces.models import Workspace


@dataclass(slots=True)
class PlannedMonth:
    """Of one workspace's month: requests that change, those of them that get their first price, and pico-dollars."""

    requests: int = 0
    priced: int = 0
    before: int = 0
    after: int = 0

    def add(self, change: EventChange) -> None:
        before = change.event.state.cost
        self.requests += 1
        self.priced += before is None
        self.before += before or 0
        self.after += change.after.cost or 0


Plan = dict[tuple[int, datetime], PlannedMonth]


def scope_for(
    model: LanguageModel | None, workspace: Workspace | None, start: datetime, end: datetime | None, now: datetime
) -> RatingScope:
    """A model stands for its aliases too. Without an end it reaches as far ahead as events may be dated."""
    models = None if model is None else tuple(with_aliases(model))
    return RatingScope(start, end or now + MAX_AHEAD, models, None if workspace is None else workspace.pk)


def with_aliases(model: LanguageModel) -> Iterable[int]:
    """The numbers of the models whose events are rated by this one's prices."""
    return LanguageModel.objects.filter(Q(pk=model.pk) | Q(alias_of=model.pk)).order_by("pk").values_list("pk", flat=True)


def plan_rerating(scope: RatingScope) -> Plan:
    """By workspace (primary key) and month, in order. Bounded memory, no lock held."""
    with transaction.atomic():
        rates = current_rates()
        outlook_of(rates)
    planned: Plan = {}
    at: RatingPosition | None = BEGINNING
    while at is not None:
        found = next_events(scope, rates, at, lock=False)
        for change in changes_of_rating(found.events, rates):
            where = (change.event.workspace_id, floor_month(change.event.occurred_at))
            planned.setdefault(where, PlannedMonth()).add(change)
        at = found.next
    return planned
