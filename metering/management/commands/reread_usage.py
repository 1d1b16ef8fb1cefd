from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.catalogue.models import LanguageModel
from metering.ingest.formats.events import MAX_AHEAD
from metering.money import exact_text, from_pico
from metering.revisions.rerating.plan import with_aliases
from metering.revisions.reread_usage import Rereading, RereadScope, reread_usage
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from omixa_billing.instants import instant_text, parse_instant
from workspaces import audit
from workspaces.management.named import workspace_named
from workspaces.names import is_storable

ACTOR = command_actor("reread_usage")
LONGEST_REASON = 512


class Command(JsonCommand):
    help = (
        "Reads the usage that events kept again, by what dialects and rules know of it now, and corrects what comes out "
        "otherwise. Without --apply it only says what would change. Usage that was kept before its dialect was kept with it is "
        "counted as refused with kept_before_dialects, and stays as it is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", nargs="?", metavar="MODEL", help="with its aliases; left out: every model")
        parser.add_argument("--from", dest="start", required=True, metavar="ISO")
        parser.add_argument("--to", dest="end", metavar="ISO", help="not included; default: everything so far")
        parser.add_argument("--workspace", metavar="ID", help="only this workspace")
        parser.add_argument("--reason", default="", metavar="TEXT", help="required with --apply; customers read it")
        parser.add_argument("--apply", action="store_true", help="send the corrections, which the workers apply")

    def act(self, *, model: str | None, apply: bool, reason: str, **options: Any) -> dict[str, Any]:
        now, reason = timezone.now(), reason.strip()
        if apply and (not reason or len(reason) > LONGEST_REASON or not is_storable(reason)):
            raise InvalidParameter("Say why usage is read again, in at most 512 characters.", param="reason")
        scope = _scope(model, options, now)
        asked: dict[str, Any] = {"from": instant_text(scope.start), "to": instant_text(scope.end)}
        if apply:  # first: what is sent before a process dies or the inbox is full has an entry too
            about: dict[str, Any] = {"model": model, "workspace_id": options["workspace"], "reason": reason}
            audit.record(ACTOR, "usage.reread", "usage", now=now, **about, **asked)
        outcome = reread_usage(scope, now, reason if apply else None)
        return {"applied": apply, **asked, **_as_json(outcome)}


def _scope(model: str | None, options: dict[str, Any], now: Any) -> RereadScope:
    found = None if model is None else LanguageModel.objects.filter(slug=model).first()
    if model is not None and found is None:
        raise InvalidParameter(f"There is no model {model!r}.", param="model")
    workspace = workspace_named(options["workspace"])
    start = parse_instant(options["start"])
    end = now + MAX_AHEAD if options["end"] is None else parse_instant(options["end"])
    if start >= end:
        raise InvalidParameter("--to is not after --from.", param="to")
    return RereadScope(start, end, None if found is None else list(with_aliases(found)), workspace and workspace.pk)


def _as_json(outcome: Rereading) -> dict[str, Any]:
    models = [
        {
            "model": model,
            "requests": changes.requests,
            "cost_before": exact_text(from_pico(changes.before)),
            "cost_after": exact_text(from_pico(changes.after)),
        }
        for model, changes in sorted(outcome.changes.items())
    ]
    return {
        "examined": outcome.examined,
        "changed": sum(changes.requests for changes in outcome.changes.values()),
        "models": models,
        "refused": dict(sorted(outcome.refused.items())),
        "batches": outcome.batches,
    }
