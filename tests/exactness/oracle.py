"""Counts, corrects and bills a history a second time: plain Decimal, one step after the other. No project code."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.exactness.facts import LAST_READS, Batch, Change, Correction, Identity, Recorded, Rule
from tests.exactness.history import (
    MOST_AHEAD,
    NICKNAMES,
    NOTICE,
    Continue,
    Correct,
    Name,
    Operation,
    Order,
    PriceWaiting,
    Reread,
    Send,
    SetPrice,
    Stumble,
    Sweep,
    Understand,
    Withdraw,
    Work,
)
from tests.exactness.reading import Tokens, read
from tests.exactness.sent import NOTHING, normal_tier, read_correction, read_event, said_in, served
from tests.scenarios.facts import Happened, Price
from tests.scenarios.oracle import cost_of, price_of

REJECTED = ("rejected", "")
RECORDED = ("recorded", "")
DUPLICATE = ("duplicate", "duplicate")
CONFLICT = ("conflict", "identity_taken")
VOIDED = ("conflict", "event_voided")
UNPRICED = ("unpriced", "no_price")
UNKNOWN = ("rejected", "unknown_event")
WRONG_KEY = ("rejected", "wrong_key")


class Oracle:
    """Everything that should be the case after the operations so far."""

    def __init__(self) -> None:
        self.prices: list[Price] = []
        self.numbered: dict[str, Price] = {}
        self.aliases = dict(NICKNAMES)
        self.recorded: dict[Identity, Recorded] = {}
        self.batches: list[Batch] = []
        self.waiting: list[Correction] = []
        self.orders: list[tuple[Order, datetime]] = []
        self.rules: list[Rule] = []

    def do(self, operation: Operation) -> Any:
        """What it answers: a batch, a price or None where it is refused, the number of events that an order changed."""
        now = operation.now
        match operation:
            case Send(events=events):
                return self.take_in("events", events, now, operation.work)
            case Correct(corrections=corrections):
                return self.take_in("corrections", corrections, now, operation.work)
            case Work():
                self.work()
            case Stumble():
                for batch in self.batches:
                    batch.stumbled |= not batch.taken_up
            case Sweep():
                self.sweep()
            case SetPrice():
                return self.set_price(operation)
            case Withdraw(at=at):
                return self.withdraw(at, now)
            case Name(model=model, stands_for=stands_for):
                self.aliases.pop(model, None)
                if stands_for is not None:
                    self.aliases[model] = stands_for
            case PriceWaiting():
                return self.rate_again([each for each in self.recorded.values() if each.cost is None])
            case Order():
                self.orders.append((operation, now))
                return self.work_off() if operation.work else None
            case Continue():
                return self.work_off()
            case Understand(component=component):
                return self.understand(component, now)
            case Reread():
                return self.reread(now, operation.work)
        return None

    # What the strange number is

    def understand(self, component: str | None, now: datetime) -> bool:
        last = self.rules[-1] if self.rules else None
        if component is None:
            if last is None or last.end is not None:
                return False
            last.end = now + LAST_READS
            return True
        if last is not None and (last.end is None or last.end > now):
            return False
        self.rules.append(Rule(now, component))
        return True

    def rule_at(self, now: datetime) -> str | None:
        holding = [each for each in self.rules if each.begin <= now and (each.end is None or each.end > now)]
        return holding[-1].component if holding else None

    def reread(self, now: datetime, work: bool) -> int:
        """What is read otherwise now is corrected in a batch of its own."""
        parts = []
        for each in sorted(self.recorded.values(), key=lambda each: each.event.at):
            if each.kept is None or each.source != "provider" or each.event.status in ("failed", "voided"):
                continue
            usage, dialect = each.kept
            tokens, said = read(usage, dialect, self.rule_at(now)), said_in(usage)
            tier = served(each.event.tier, said)
            if tokens is not None and tier is not None and (tokens, tier) != (each.state.tokens, each.event.tier):
                read_from = json.dumps(each.kept), sum(change.action != "rerate" for change in each.trail)
                parts.append((each.event.identity, each.key, ("replace", tokens, "reread", said, read_from), each.kept))
        if parts:
            self.batches.append(Batch(len(self.batches), "corrections", dict(enumerate(parts)), {}))
        if work:
            self.work()
        return len(parts)

    # Prices

    def set_price(self, order: SetPrice) -> str | None:
        if order.model in self.aliases:
            return None
        since = order.since or order.now
        number = f"price {len(self.numbered)}"
        input, cached, written, output = order.rates
        price = Price(
            number,
            order.model,
            since,
            input,
            cached,
            output,
            written,
            normal_tier(order.tier),
            order.tenant,
            order.above,
            order.open,
        )
        for standing in reversed(self.prices):
            if begins_as(standing) == begins_as(price):
                if replace(price, price_id=standing.price_id) == standing:
                    return standing.price_id
                if not order.correct:
                    return None
                break
        self.prices.append(price)
        self.numbered[number] = price
        return number

    def withdraw(self, at: int, now: datetime) -> bool:
        """With the versions that it corrected."""
        price = self.numbered.get(f"price {at}")
        if price is None or price not in self.prices or price.since <= now + NOTICE:
            return False
        place = self.prices.index(price)
        self.prices = [each for at, each in enumerate(self.prices) if at > place or begins_as(each) != begins_as(price)]
        return True

    def rate(self, each: Recorded, keep: bool = False) -> None:
        """By the prices as they are; with `keep`, what has a price is not left without one."""
        event = each.event
        priced_as = replace(event, model=self.aliases.get(event.model, event.model))
        price = price_of(priced_as, reversed(self.prices))  # of equal ones the last that was set
        cost = cost_of(event, price)
        if cost is not None or not keep:
            each.price, each.cost = price if cost is not None else None, cost

    def rate_again(self, events: Iterable[Recorded]) -> int:
        """How many of them change."""
        changed = 0
        for each in events:
            before = each.state
            if before.status in ("failed", "voided"):
                continue
            self.rate(each, keep=True)
            changed += each.state != before
            if each.state != before and before.cost is not None:
                each.trail.append(Change("rerate", True, before, each.state))
        return changed

    def work_off(self) -> int:
        """How many events the waiting orders change."""
        changed = 0
        for order, ordered_at in self.orders:
            end = order.end or ordered_at + MOST_AHEAD
            models = {order.model, *(alias for alias, model in self.aliases.items() if model == order.model)}
            changed += self.rate_again(
                each
                for each in self.recorded.values()
                if order.start <= each.event.at < end
                and (order.model is None or each.event.model in models)
                and order.tenant in (None, each.event.tenant)
            )
        self.orders.clear()
        return changed

    # The inbox

    def take_in(self, kind: str, contents: list[dict[str, Any]], now: datetime, work: bool) -> Batch:
        reader = read_event if kind == "events" else read_correction
        parts = {index: reader(content, now, self.rule_at(now)) for index, content in enumerate(contents)}
        refused = {index: REJECTED for index, part in parts.items() if part is None}
        admitted = {index: part for index, part in parts.items() if part is not None}
        batch = Batch(len(self.batches), kind, admitted, refused)
        self.batches.append(batch)
        if work:
            self.work()
        return batch

    def pending(self, kind: str, stumbled: bool = False) -> list[Batch]:
        return [each for each in self.batches if (each.kind, each.taken_up, each.stumbled) == (kind, False, stumbled)]

    def work(self) -> None:
        self.take_up(self.pending("events"))
        self.work_corrections()

    def sweep(self) -> None:
        self.take_up(self.pending("events"))
        self.take_up(self.pending("events", stumbled=True))
        self.work_corrections()
        self.take_up(self.pending("corrections", stumbled=True))

    def work_corrections(self) -> None:
        arrived = sorted((each for each in self.waiting if each.identity in self.recorded), key=lambda each: each.rank)
        self.waiting = [each for each in self.waiting if each.identity not in self.recorded]
        self.take_up(self.pending("corrections"), arrived)

    def take_up(self, batches: list[Batch], waited: Iterable[Correction] = ()) -> None:
        for each in waited:
            self.correct(each)
        for batch in batches:
            for index, part in batch.parts.items():
                if batch.kind == "events":
                    batch.outcomes[index] = self.record(part)
                else:
                    batch.outcomes[index] = self.correct(Correction((batch.number, index), *part))
            batch.taken_up = True

    def record(self, sent: Recorded) -> tuple[str, str]:
        standing = self.recorded.get(sent.event.identity)
        if standing is not None:
            return DUPLICATE if standing.content == sent.content else CONFLICT
        fresh = self.recorded[sent.event.identity] = replace(sent, trail=[], corrected=set(), recorded_as=sent.event.tier)
        self.rate(fresh)
        return UNPRICED if fresh.cost is None else RECORDED

    def correct(self, sent: Correction) -> tuple[str, str]:
        event = self.recorded.get(sent.identity)
        if event is None:
            self.waiting.append(sent)
            return UNKNOWN
        if event.key != sent.key:
            return WRONG_KEY
        action, tokens, _, said, *read_from = sent.content
        tier = served(event.recorded_as, said)
        if tier is None:
            return REJECTED
        content = action, tokens, sent.content[2], (said[0], said[1] or ""), *read_from  # as usual is as left open
        if content in event.corrected:
            return DUPLICATE
        event.corrected.add(content)
        before = event.state
        was_voided = before.status == "voided"
        is_latest = sent.rank > (event.reread_by if read_from else event.replaced_by)
        if action == "void":
            event.event, event.price, event.cost = with_tokens(event.event, NOTHING, "voided"), None, Decimal(0)
            event.trail.append(Change("void", not was_voided, before, event.state))
            event.kept = None
            return RECORDED
        takes_effect = is_latest and not was_voided and (not read_from or read_from[0][0] == json.dumps(event.kept))
        if takes_effect and read_from:
            event.reread_by = sent.rank
        elif takes_effect:
            event.replaced_by = sent.rank
        if takes_effect:
            event.event, event.source = with_tokens(replace(event.event, tier=tier), tokens, before.status), "provider"
            event.kept = sent.kept
            self.rate(event)
        event.trail.append(Change("replace", takes_effect, before, event.state))
        if was_voided:
            return VOIDED
        return UNPRICED if takes_effect and event.cost is None else RECORDED


def begins_as(price: Price) -> tuple[Any, ...]:
    return price.model, price.tier, price.tenant, price.above, price.since


def with_tokens(event: Happened, tokens: Tokens, status: str) -> Happened:
    return replace(event, **tokens._asdict(), status=status)
