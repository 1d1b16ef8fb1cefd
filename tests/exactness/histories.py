"""Histories to try: few identities, keys, times and prices, so that everything meets everything."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.exactness.history import (
    ADMIN,
    BEGINNING,
    MOST_AHEAD,
    MOST_BEHIND,
    NOBODY,
    Continue,
    Correct,
    Look,
    Name,
    Operation,
    Order,
    PriceWaiting,
    Rebuild,
    Reread,
    Send,
    SetPrice,
    Stumble,
    Sweep,
    Understand,
    Withdraw,
    Work,
)
from tests.exactness.reading import Tokens
from tests.exactness.shapes import express, manners, tokens

MICRO, SECOND, MINUTE, HOUR, DAY = (
    timedelta(microseconds=1),
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
EDGES = [
    datetime.fromisoformat(text).replace(tzinfo=UTC)
    for text in ("2028-02-29T12:20", "2028-02-01", "2028-02-29", "2028-03-01", "2028-03-01T00:20")
]
FIRST = datetime(2028, 1, 31, tzinfo=UTC)  # from when on most is priced
STEPS = [timedelta(0), timedelta(0), MICRO, MINUTE, 20 * MINUTE, HOUR, DAY]  # from one operation to the next
ZONES = ["Z", "+05:30", "nanoseconds"]
NAMES = ["a", "A", "ü" * 465]
MODELS = ["base", "long", "late", "new", "nick", "long", "base"]
TIERS = [None, "auto", "", "priority", "flex", "Priority", "fast", "Priority+Fast", "standard", "default", None]
RATES = [Decimal(text) for text in ("1.5", "0.375", "0", "0.000001", "999999.999999", "6", "12.345678")]

# The odd ones in the middle: the ends are drawn more often.
TWISTS = [*[""] * 8, "retried", "bare", "refused", "stranger", "restated", "bigger", "other", "retried", *[""] * 8]

Moment = datetime | timedelta  # an instant, or one that lies so far from the operation's own


class Draft(NamedTuple):
    """An event to send, perhaps more than once."""

    said: dict[str, Any]
    counts: Tokens
    manner: dict[str, Any]
    at: Moment
    zone: str


edges = st.builds(
    lambda edge, by: edge + by, st.sampled_from(EDGES), st.sampled_from([-MICRO, timedelta(0), timedelta(0), MICRO])
)
soon = st.sampled_from([timedelta(0), -MICRO, -MINUTE, MOST_AHEAD])
refused = st.sampled_from([MOST_AHEAD + MICRO, -MOST_BEHIND - MICRO])
moments: st.SearchStrategy[Moment] = st.one_of(edges, edges, soon)
keys = st.sampled_from([0, 0, 1, 2])


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    said = {
        "key": draw(keys),
        "request_id": draw(st.sampled_from(NAMES)),
        "attempt": draw(st.sampled_from([None, None, 0, 1, 2**31 - 1])),
        "model": draw(st.sampled_from(MODELS)),
        "service_tier": draw(st.sampled_from(TIERS)),
        "provider": draw(st.sampled_from([None, "azure", "xai"])),
        "status": draw(st.sampled_from([None, None, "succeeded", "aborted", "failed"])),
        "usage_source": draw(st.sampled_from([None, None, "provider", "estimated"])),
        "user": draw(st.sampled_from([None, None, "u"])),
    }
    at, zone = draw(moments), draw(st.sampled_from(ZONES))
    return Draft(said, draw(tokens()), draw(manners()), at, zone)


@st.composite
def events(draw: st.DrawFn, pool: list[Draft]) -> tuple[Draft, bool]:
    """One of the pool, as it is or somehow otherwise, and whether without its usage."""
    draft = draw(st.sampled_from(pool))
    twist = draw(st.sampled_from(TWISTS))
    if twist == "retried":
        draft = draft._replace(at=draw(moments), zone=draw(st.sampled_from(ZONES)))
        if draft.said["service_tier"] in (None, "auto", "standard"):
            draft = draft._replace(said=draft.said | {"service_tier": draw(st.sampled_from([None, "auto", " Standard "]))})
    elif twist == "restated":
        draft = draft._replace(manner=draw(manners()))
    elif twist == "bigger":
        draft = draft._replace(counts=draw(tokens()))
    elif twist == "refused":
        draft = draft._replace(at=draw(refused))
    elif twist == "stranger":
        draft = draft._replace(said=draft.said | {"key": draw(st.sampled_from([ADMIN, NOBODY]))})
    elif twist == "other":
        draft = draft._replace(
            said=draft.said | {"model": draw(st.sampled_from(MODELS)), "user": draw(st.sampled_from([None, "v"]))}
        )
    return draft, twist == "bare"


def sent(draft: Draft, bare: bool, now: datetime) -> dict[str, Any]:
    """As JSON has it."""
    event = {name: value for name, value in draft.said.items() if value is not None or len(name) % 2}  # or null
    event["occurred_at"] = text_of(absolute(draft.at, now), draft.zone)
    if not bare:
        event |= express(draft.counts, draft.manner)
    return event


def absolute(moment: Moment, now: datetime) -> datetime:
    return moment if isinstance(moment, datetime) else now + moment


def text_of(instant: datetime, zone: str) -> str:
    """RFC 3339; nanoseconds are cut off where microseconds are counted."""
    plain = instant.replace(tzinfo=None)
    if zone == "+05:30":
        return (plain + timedelta(hours=5, minutes=30)).isoformat() + zone
    text = plain.isoformat(timespec="microseconds")
    return f"{text}999Z" if zone == "nanoseconds" else f"{text}Z"


@st.composite
def corrections(draw: st.DrawFn, pool: list[Draft], replacements: list[tuple[Tokens, dict[str, Any]]]) -> dict[str, Any]:
    """Of an event of the pool, sometimes under another key."""
    said = draw(st.sampled_from(pool)).said
    action = draw(st.sampled_from(["void", "replace", "replace", "replace"]))
    correction = {
        "key": draw(st.one_of(*[st.just(said["key"])] * 6, keys)),
        "request_id": said["request_id"],
        "attempt": said["attempt"],
        "action": action,
        "reason": draw(st.sampled_from([None, "", "r", "counted"])),
    }
    if action == "replace" or draw(st.integers(0, 9)) == 9:
        correction |= express(*draw(st.sampled_from(replacements)))
    return correction


@st.composite
def set_prices(draw: st.DrawFn) -> SetPrice:
    input, output = draw(st.sampled_from(RATES)), draw(st.sampled_from(RATES))
    cached, written = draw(st.sampled_from([None, *RATES])), draw(st.sampled_from([None, None, *RATES]))
    tier = draw(st.sampled_from(["default", "default", "auto", "priority", "fast", "default"]))
    later = st.sampled_from([BEGINNING + HOUR, BEGINNING + DAY])
    since = draw(st.one_of(st.just(FIRST), edges, st.none(), later, st.just(FIRST)))
    return SetPrice(
        draw(st.sampled_from(["base", "long", "late", "nick", "long", "base"])),
        (input, cached, written, output),
        tier,
        draw(st.sampled_from([None, 0, 1, None])),
        draw(st.sampled_from([0, 0, 200_000, 10, 0])),
        since,
        draw(st.booleans()),
        draw(open_rates()),
    )


OF_TOKENS = ["audio_input", "cached_audio_input", "audio_output", "cache_write_1h", "reasoning"]
BY_SECONDS = [Decimal(text) for text in ("0.0001", "0", "0.000000001", "999.999999999")]
SINGLE = [Decimal(text) for text in ("0.01", "0", "0.000000000001", "999.999999999999")]


@st.composite
def open_rates(draw: st.DrawFn) -> tuple[tuple[str, Decimal], ...]:
    """Mostly with one for searches: without it what searched has no price."""
    found = {name: draw(st.sampled_from(RATES)) for name in draw(st.lists(st.sampled_from(OF_TOKENS), max_size=2))}
    if draw(st.sampled_from([True, True, True, False])):
        found["web_search"] = draw(st.sampled_from(SINGLE))
    if draw(st.sampled_from([False, False, False, True])):
        found["request"] = draw(st.sampled_from(SINGLE))
    for name in ("page", "image"):
        if draw(st.booleans()):
            found[name] = draw(st.sampled_from(SINGLE))
    if draw(st.booleans()):
        found["audio_duration"] = draw(st.sampled_from(BY_SECONDS))
    return tuple(sorted(found.items()))


rates = st.tuples(st.sampled_from(RATES), st.sampled_from([None, *RATES]), st.none(), st.sampled_from(RATES))
LISTED = [
    ("base", "default", 0),
    ("base", "priority", 0),
    ("late", "default", 0),
    ("long", "default", 10),
    ("long", "default", 200_000),
    ("long", "default", 0),
]


@st.composite
def price_lists(draw: st.DrawFn) -> list[SetPrice]:
    """What most events find a price in."""
    chosen = draw(st.lists(st.sampled_from(LISTED[1:]), min_size=2, unique=True))
    return [
        SetPrice(model, draw(rates), tier, None, above, FIRST, open=draw(open_rates()))
        for model, tier, above in [LISTED[0], *chosen]
    ]


later_rules = st.sampled_from([Understand("web_search"), Understand("image"), Understand("cached_input"), Understand("")])
everything = st.sampled_from([Order(None, None, FIRST), Order("base", None, FIRST), Order(None, None, FIRST)])


@st.composite
def repriced(draw: st.DrawFn) -> list[Operation]:
    """Another price for what may be in use already, from the past, and an order to rate by it."""
    model, tier, above = draw(st.sampled_from([*LISTED, LISTED[0]]))
    tenant, since = draw(st.sampled_from([None, 0, 1, None])), draw(st.one_of(edges, st.just(FIRST), edges))
    return [
        SetPrice(model, draw(rates), tier, tenant, above, since, correct=True, open=draw(open_rates())),
        draw(st.one_of(everything, orders(), everything)),
    ]


@st.composite
def orders(draw: st.DrawFn) -> Order:
    start = draw(st.one_of(st.just(FIRST), edges, st.just(FIRST)))
    end = draw(st.one_of(st.none(), st.none(), edges))
    model, tenant = (
        draw(st.sampled_from(["base", None, "long", "late", "nick", None, "base"])),
        draw(st.sampled_from([None, None, 0, 1, None])),
    )
    return Order(model, tenant, start, None if end is None or end <= start else end, draw(st.sampled_from([True, True, False])))


@st.composite
def histories(draw: st.DrawFn, most: int = 16) -> list[Operation]:
    """Prices first, then anything; at the end everything is worked off."""
    pool = draw(st.lists(drafts(), min_size=3, max_size=8))
    replacements = draw(st.lists(st.tuples(tokens(), manners()), min_size=1, max_size=3))
    sends = st.builds(
        lambda events, work: (events, work),
        st.lists(events(pool), min_size=2, max_size=8),
        st.sampled_from([True, True, False]),
    )
    corrects = st.builds(
        Correct, st.lists(corrections(pool, replacements), min_size=1, max_size=4), st.sampled_from([True, True, False])
    )
    names = st.builds(Name, st.just("late"), st.sampled_from(["base", "long", None]))
    renamed = st.tuples(names, everything).map(list)
    stumbled = st.tuples(corrects, st.just(Stumble()), corrects, st.just(Sweep())).map(list)
    understood = st.builds(Understand, st.sampled_from(["", "image", "web_search", "cached_input", None, None]))
    learnt = st.tuples(st.just(Understand(None)), later_rules, st.builds(Reread, st.booleans())).map(list)
    rare = st.one_of(
        understood,
        st.builds(Reread, st.booleans()),
        st.just(Work()),
        st.just(Stumble()),
        st.just(Sweep()),
        st.builds(Withdraw, st.integers(0, 5)),
        names,
        st.just(Continue()),
        st.just(Rebuild()),
        st.just(Look()),
    )
    often = (
        [sends] * 6
        + [corrects] * 4
        + [set_prices()] * 2
        + [repriced()] * 2
        + [stumbled, renamed, repriced(), learnt, learnt]
        + [orders()]
        + [st.just(PriceWaiting())]
        + [rare] * 4
    )
    anything = st.sampled_from(often).flatmap(lambda kind: kind)
    first = draw(st.sampled_from([[], [Understand("")], [Understand("image")]]))
    steps = [*draw(price_lists()), *first, draw(sends)]
    for drawn in draw(st.lists(anything, min_size=4, max_size=most)):
        steps += drawn if isinstance(drawn, list) else [drawn]
    return [*timed(draw, steps), *THE_END]


def timed(draw: st.DrawFn, steps: list[Any]) -> list[Operation]:
    """Each at its own instant, one after the other."""
    now = BEGINNING
    script: list[Operation] = []
    for step in steps:
        now += draw(st.sampled_from(STEPS))
        if isinstance(step, tuple):
            drawn, work = step
            script.append(Send([sent(draft, bare, now) for draft, bare in drawn], work, now=now))
        else:
            script.append(replace(step, now=now))
    return script


LATER = BEGINNING + 30 * DAY
THE_END = [Sweep(now=LATER), Work(now=LATER), Continue(now=LATER), PriceWaiting(now=LATER), Look(now=LATER)]
