"""What corrections make of their events. The outcome depends on which corrections there are, not on who came first:

a void stands for ever; else, of the replacements, the one that was sent last (by batch, then by position). One that is
processed late but was sent earlier is on the trail and changes nothing. What an operator read again has no place in that order,
since it only says what usage that was there before comes to: any replacement that a gateway sent counts instead, whether it is
processed before that (then the event keeps other usage) or after it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from metering.catalogue.tiers import DEFAULT_TIER
from metering.ingest.directory import directory
from metering.ingest.formats.rejected import Rejected
from metering.ingest.formats.usage import kept_hash, tier_of
from metering.ingest.models import EventCorrection, EventStatus, UsageSource
from metering.pricing.rates import RateTable
from metering.revisions.change_events import EventChange
from metering.revisions.corrections.sent import UNKNOWN_EVENT, Identity, SentCorrectionRow
from metering.revisions.corrections.trail import CorrectionsSoFar, Entry, Rank
from metering.revisions.stored_events import EventState, Stored, rated, voided


class Verdict(NamedTuple):
    """What became of a correction; `code` is empty where it was simply recorded."""

    outcome: str
    code: str = ""
    message: str = ""


RECORDED = Verdict("recorded")
DUPLICATE = Verdict(
    "duplicate",
    "duplicate",
    "Recorded before with the same content; counted once. To go back to earlier counts, give it a reason of its own.",
)
VOIDED = Verdict("conflict", "event_voided", "The event was taken back by a void, which stands; this changes nothing.")
UNPRICED = Verdict("unpriced", "no_price", "Recorded; no price covers the event's model, service tier and time yet.")
WRONG_KEY = Verdict("rejected", "wrong_key", "The event was called with another key of its workspace than key_id names.")
OTHER_GATEWAY = Verdict(
    "rejected", "sent_by_another_gateway", "Another gateway sent this event; a gateway corrects only what it sent itself."
)
UNKNOWN_SENDER = Verdict(
    "rejected",
    "sender_not_recorded",
    "It is not known which gateway sent this event, so no gateway may correct it. An operator can replay the correction.",
)
UNKNOWN = Verdict(
    "rejected",
    UNKNOWN_EVENT,
    "No event is recorded under this request id and attempt. If it arrives, this is applied to it automatically.",
)


class ServedTier(NamedTuple):
    """A tier by its number and its name."""

    id: int
    name: str


class Decided(NamedTuple):
    """A verdict for each correction, in order; what events become, once each; what their trail is to say, and they keep."""

    verdicts: list[Verdict]
    changes: list[EventChange]
    entries: list[Entry]
    # The usage object that each event keeps from now on, compressed; None where it keeps none.
    kept: dict[Identity, bytes | None]


def decide(
    sent: Iterable[SentCorrectionRow],
    events: dict[Identity, Stored],
    standing: dict[Identity, CorrectionsSoFar],
    rates: RateTable,
    kept: dict[Identity, bytes],
) -> Decided:
    """Weighs corrections, in the order they were sent, against the events and what stands already, which it adds to.

    `kept` is what the events of corrections that were read again keep.
    """
    sent = list(sent)
    decided = Decided([], [], [], {})
    tiers, differing = _tiers([each for each in sent if each.identity in events], standing)
    states: dict[Identity, EventState] = {}
    for each in sent:
        event = events.get(each.identity)
        if event is None:
            decided.verdicts.append(UNKNOWN)
            continue
        if refused := _refused(each, event) or differing.get(each.rank):
            decided.verdicts.append(refused)
            continue
        before = states.get(each.identity, event.state)
        kept_now = decided.kept[each.identity] if each.identity in decided.kept else kept.get(each.identity)
        weighed = each, event, before, tiers[each.rank], standing[each.identity], rates, kept_now
        verdict, after, took_effect = _weigh(*weighed)
        decided.verdicts.append(verdict)
        if verdict is DUPLICATE:
            continue
        states[each.identity] = after
        correction = each.correction
        if took_effect:
            decided.kept[each.identity] = correction.usage
        decided.entries.append(
            Entry(
                event,
                correction.action,
                correction.reason,
                each.sender.name,
                before,
                after,
                took_effect,
                each.place,
                correction.fingerprint(),
            )
        )
    decided.changes.extend(EventChange(events[identity], state) for identity, state in states.items())
    return decided


def _refused(sent: SentCorrectionRow, event: Stored) -> Verdict | None:
    """Why the correction may not touch the event, by what its gateway may do now; None when it may."""
    if event.key_id != sent.key_id:
        return WRONG_KEY
    if sent.sender.may_correct_all or event.gateway_id == sent.sender.gateway_id:
        return None
    return UNKNOWN_SENDER if event.gateway_id is None else OTHER_GATEWAY


def _tiers(
    sent: Iterable[SentCorrectionRow], standing: dict[Identity, CorrectionsSoFar]
) -> tuple[dict[Rank, ServedTier], dict[Rank, Verdict]]:
    """The tier that each replacement is billed by, and verdicts on those whose usage contradicts their event.

    It is read as the usage of an event is that says the tier under which this one was recorded; the default one left it open.
    What other corrections said since makes no difference, so their order makes none.
    """
    named: dict[Rank, str] = {}
    differing: dict[Rank, Verdict] = {}
    for each in sent:
        recorded_as = standing[each.identity].tier
        try:
            named[each.rank] = tier_of(None if recorded_as == DEFAULT_TIER else recorded_as, each.correction.served)
        except Rejected as refused:
            differing[each.rank] = Verdict("rejected", refused.code, refused.message)
    numbers = directory.number_tiers(set(named.values()))
    return {rank: ServedTier(numbers[name], name) for rank, name in named.items()}, differing


def _weigh(
    sent: SentCorrectionRow,
    event: Stored,
    before: EventState,
    tier: ServedTier,
    standing: CorrectionsSoFar,
    rates: RateTable,
    kept_now: bytes | None,
) -> tuple[Verdict, EventState, bool]:
    """The verdict on one correction, the event's state after it, and whether it took effect. Notes it as standing."""
    correction, fingerprint = sent.correction, sent.correction.fingerprint()
    if fingerprint in standing.fingerprints or correction.fingerprint_before_tiers() in standing.before_tiers:
        return DUPLICATE, before, False
    was_voided, replaced, reread = standing.voided, standing.replaced, standing.reread
    overtaken = correction.reads_another_than(None if kept_now is None else kept_hash(kept_now))
    standing.note(correction.action, fingerprint, None if overtaken else sent.place)
    if correction.action == EventCorrection.Action.VOID:
        return RECORDED, voided(before), not was_voided
    if was_voided:
        return VOIDED, before, False
    is_late = sent.batch_id < reread if correction.is_reread else sent.rank < replaced
    if overtaken or is_late or correction.counts is None:
        return RECORDED, before, False
    counted = before._replace(
        tier_id=tier.id,
        tier=tier.name,
        usage_source=UsageSource.PROVIDER,
        counts=correction.counts,
        others=correction.others,
    )
    after = rated(event, counted, rates)
    is_unpriced = after.cost is None and after.status != EventStatus.FAILED
    return (UNPRICED if is_unpriced else RECORDED), after, True
