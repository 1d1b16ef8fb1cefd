"""An operator says what a number is, or takes that back: for all that is received from then on, with a version and a trail."""

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from metering.components import REQUEST, component_named
from metering.errors import RuleExists
from metering.ingest.formats.dialects.registry import BY_NAME
from metering.ingest.models import QuarantinedEvent
from metering.ingest.understanding.models import UnknownPath, UsageRule
from metering.ingest.understanding.rules import forget_rules
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit

# A rule ends a little later: what an endpoint reads at this moment, it reads under the rule, and so does the worker.
LAST_READS = timedelta(seconds=10)


def make_rule(dialect: str, path: str, meaning: str, of: str, reason: str, actor: str, now: datetime) -> UsageRule:
    """Says what the number at that path is. Raises InvalidParameter, RuleExists."""
    of = of.strip()
    if dialect not in BY_NAME or not path:
        raise InvalidParameter("Name a dialect and the path of a number.", param="path")
    if path in BY_NAME[dialect].leaves and not _is_waited_for(dialect, path):
        raise InvalidParameter(f"{dialect} knows {path} by itself.", param="path")
    _check_meaning(dialect, path, meaning, of)
    if not reason.strip():
        raise InvalidParameter("Say how it is known what this number is.", param="reason")
    try:
        with transaction.atomic():
            last = UsageRule.objects.filter(dialect=dialect, path=path).order_by("-version").first()
            if last is not None and (last.ends_at is None or last.ends_at > now):
                raise RuleExists(f"There is a rule for {path} of {dialect}: end it first, and wait until it has ended.")
            rule = UsageRule.objects.create(
                dialect=dialect,
                path=path,
                version=1 if last is None else last.version + 1,
                meaning=meaning,
                of="" if meaning == UsageRule.Meaning.INFORMATION else of,
                reason=reason.strip(),
                begins_at=now,
                made_by=actor,
            )
            detail = _about(rule) | {"is": rule.words, "reason": rule.reason}
            audit.record(actor, "usage_rule.made", rule.public_id, now=now, **detail)
    except IntegrityError:
        raise RuleExists(f"Another rule for {path} of {dialect} was made at the same moment.") from None
    forget_rules()
    return rule


def _is_waited_for(dialect: str, path: str) -> bool:
    """A dialect may know a number and not count it in an object of another shape."""
    return UnknownPath.objects.filter(dialect=dialect, path=path, event__in=QuarantinedEvent.objects.open()).exists()


def _check_meaning(dialect: str, path: str, meaning: str, of: str) -> None:
    if meaning not in UsageRule.Meaning.values:
        raise InvalidParameter("Say whether it is informational, a part, or a component.", param="meaning")
    if meaning == UsageRule.Meaning.PART and (of == path or of not in BY_NAME[dialect].leaves):
        raise InvalidParameter(f"Choose one of the numbers that {dialect} counts.", param="of")
    if meaning == UsageRule.Meaning.COMPONENT:
        try:
            component = component_named(of)
        except KeyError:
            raise InvalidParameter("Choose one of the components that are counted and priced.", param="of") from None
        if component.name == REQUEST:
            raise InvalidParameter("Each response is one request: no number of its usage counts them.", param="of")


def end_rule(rule_id: int, actor: str, now: datetime) -> UsageRule:
    """From a few seconds on, its number is not understood again. Raises InvalidParameter if it was ended before."""
    with transaction.atomic():
        rule = UsageRule.objects.select_for_update().get(pk=rule_id)
        if rule.ends_at is not None:
            raise InvalidParameter(f"This rule was ended by {rule.ended_by}.", param="rule")
        rule.ends_at, rule.ended_by = now + LAST_READS, actor
        rule.save(update_fields=["ends_at", "ended_by"])
        detail = _about(rule) | {"was": rule.words}
        audit.record(actor, "usage_rule.ended", rule.public_id, now=now, **detail)
    forget_rules()
    return rule


def _about(rule: UsageRule) -> dict[str, Any]:
    return {"dialect": rule.dialect, "path": rule.path, "version": rule.version}
