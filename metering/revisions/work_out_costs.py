"""An operator's order to work out again what recorded requests cost us, by the cards as they are set now."""

from datetime import datetime
from typing import Any

from metering.catalogue.models import LanguageModel
from metering.jobs.progress import Progress, unheard
from metering.revisions.provider_costs import rerate_provider_costs
from metering.revisions.rerating.plan import with_aliases
from omixa_billing.instants import instant_text
from workspaces import audit


def work_out_costs(
    model: LanguageModel | None, start: datetime, end: datetime, actor: str, now: datetime, progress: Progress = unheard
) -> dict[str, int]:
    """Of [start, end), of a model with its aliases or of all: {"events", "changed"}. On the trail once it is done."""
    done = rerate_provider_costs(start, end, None if model is None else with_aliases(model), progress)
    what: dict[str, Any] = {
        "model": None if model is None else model.slug,
        "start": instant_text(start),
        "end": instant_text(end),
    }
    audit.record(actor, "provider_costs.rerated", "usage", now=now, **what | done)
    return done
