"""The same events, corrections and prices in one order and another, in these batches and those.

Each identity has one content, and whatever states an order of its own keeps it: corrections, of which the last sent
replacement stands, and prices, of which the last of one beginning does.
"""

from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.exactness.histories import FIRST, LATER, corrections, drafts, price_lists, sent, set_prices
from tests.exactness.history import (
    BEGINNING,
    OWNERS,
    Correct,
    Look,
    Operation,
    Order,
    PriceWaiting,
    Send,
    SetPrice,
    Sweep,
    Work,
)
from tests.exactness.shapes import manners, tokens

LAST = [
    Sweep(now=LATER),
    Work(now=LATER),
    Order(None, None, FIRST, now=LATER),
    Order(None, None, FIRST, now=LATER),  # again, and nothing changes
    PriceWaiting(now=LATER),
    Look(now=LATER),
]


class Traffic(NamedTuple):
    """Everything that is sent and set, each kind in its order. An event is there once."""

    events: list[dict[str, Any]]
    corrections: list[dict[str, Any]]
    prices: list[SetPrice]


@st.composite
def traffic(draw: st.DrawFn) -> Traffic:
    pool = draw(
        st.lists(
            drafts(),
            min_size=4,
            max_size=12,
            unique_by=lambda draft: (OWNERS[draft.said["key"]], draft.said["request_id"], draft.said["attempt"] or 0),
        )
    )
    replacements = draw(st.lists(st.tuples(tokens(), manners()), min_size=1, max_size=3))
    return Traffic(
        [sent(draft, False, BEGINNING) for draft in pool],
        draw(st.lists(corrections(pool, replacements), min_size=2, max_size=8)),
        [*draw(price_lists()), *draw(st.lists(set_prices(), max_size=4))],
    )


@st.composite
def arranged(draw: st.DrawFn, traffic: Traffic) -> list[Operation]:
    """Interleaved anyhow, with some events sent again, in batches of any size."""
    again = draw(st.lists(st.sampled_from(traffic.events), max_size=4))
    events = iter(draw(st.permutations([*traffic.events, *again])))
    corrections, prices = iter(traffic.corrections), iter(traffic.prices)
    kinds = [*"e" * (len(traffic.events) + len(again)), *"c" * len(traffic.corrections), *"p" * len(traffic.prices), *"www"]
    script: list[Operation] = []
    for kind in draw(st.permutations(kinds)):
        joined, work = draw(st.booleans()), draw(st.sampled_from([True, False]))
        if kind == "p":
            script.append(next(prices))
        elif kind == "w":
            script.append(draw(st.sampled_from([Work(), PriceWaiting(), Order(None, None, FIRST)])))
        elif kind == "e":
            event = next(events)
            if joined and script and isinstance(script[-1], Send):
                script[-1].events.append(event)
            else:
                script.append(Send([event], work))
        else:
            correction = next(corrections)
            if joined and script and isinstance(script[-1], Correct):
                script[-1].corrections.append(correction)
            else:
                script.append(Correct([correction], work))
    return [*script, *LAST]


@st.composite
def two_arrangements(draw: st.DrawFn) -> tuple[list[Operation], list[Operation]]:
    same = draw(traffic())
    return draw(arranged(same)), draw(arranged(same))
