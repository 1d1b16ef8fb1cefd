"""Factors, tiers made of several texts, and what providers charge: any history of cards costs what an oracle in Decimal says.

An oracle knows statements alone: from a day on the default tier has these rates, a tier has rates of its own or so many times
those of the default tier. The product works out versions from them, in whatever order the default tier's cards come.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from metering.catalogue.providers.set_provider_price import set_provider_price
from metering.catalogue.set_price import set_factor, set_price
from metering.ingest.models import UsageEvent
from metering.pricing import current
from metering.reconcile.everything import everything
from tests.exactness.history import BEGINNING
from tests.kit.depth import search
from tests.kit.factories import forget_names, make_gateway, make_key, make_workspace, send
from tests.kit.tally import Tally

DAYS = 20
TIERS = ["batch", "flex", "priority", "fast", "us", "fast+us", "priority+fast", "flex+us", "priority+fast+us"]
RATES = st.decimals(0, 100, places=6)
SIX = Decimal("0.000001")
PLACES, SPEEDS = ("us",), ("fast",)


class Card(NamedTuple):
    """USD for a million tokens; None where it has no rate of cached input."""

    input: Decimal
    cached: Decimal | None
    output: Decimal

    def times(self, factor: Decimal) -> "Card":
        """Each rate rounded half up to six decimals."""
        return Card(*(rate if rate is None else (rate * factor).quantize(SIX, ROUND_HALF_UP) for rate in self))  # type: ignore[arg-type]

    def cost(self, uncached: int, cached: int, output: int) -> Decimal:
        rate = self.input if self.cached is None else self.cached
        return (uncached * self.input + cached * rate + output * self.output) / 1_000_000

    def rates(self) -> dict[str, Decimal | None]:
        return {"input": self.input, "cached_input": self.cached, "output": self.output}


CARDS = st.builds(Card, RATES, st.none() | RATES, RATES)


class Statement(NamedTuple):
    """From the beginning of a day on a tier costs this: rates, or so many times what the default tier does."""

    day: int
    tier: str
    price: Card | Decimal


class Used(NamedTuple):
    day: int
    tier: str
    manner: int  # how its tier is said
    tokens: tuple[int, int, int]


class History(NamedTuple):
    first: Card
    bases: list[Statement]
    tiers: list[Statement]
    providers: list[Statement]
    used: list[Used]


@st.composite
def histories(draw: st.DrawFn) -> History:
    days = draw(st.permutations(range(1, DAYS)))
    cut = draw(st.integers(0, 6)), draw(st.integers(7, 12))
    factors = st.decimals(0, 3, places=3) | st.sampled_from([Decimal("0.5"), Decimal("1.000001"), Decimal("1.1")])
    tiers = [Statement(day, draw(st.sampled_from(TIERS)), draw(factors | CARDS)) for day in sorted(days[cut[0] : cut[1]])]
    bases = [Statement(day, "default", draw(CARDS)) for day in days[: cut[0]]]
    providers = [Statement(day, draw(st.sampled_from(["default", *TIERS[:3]])), draw(CARDS)) for day in days[cut[1] :][:3]]
    tokens = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
    used = st.builds(Used, st.integers(0, DAYS), st.sampled_from(["default", *TIERS]), st.integers(0, 2), tokens)
    return History(draw(CARDS), bases, tiers, providers, draw(st.lists(used, min_size=1, max_size=12)))


def at(day: int) -> datetime:
    return BEGINNING - timedelta(days=DAYS + 1 - day)


def stands(statements: list[Statement], tier: str, day: int) -> Card | Decimal | None:
    """What was said last of a tier."""
    said = [each for each in statements if each.tier == tier and each.day <= day]
    return max(said).price if said else None


def expected(history: History, used: Used) -> Decimal | None:
    base = stands([Statement(0, "default", history.first), *history.bases], "default", used.day)
    price = base if used.tier == "default" else stands(history.tiers, used.tier, used.day)
    if isinstance(price, Decimal):
        assert isinstance(base, Card)
        price = base.times(price)
    return None if price is None else price.cost(*used.tokens)


def expected_of_provider(history: History, used: Used) -> Decimal | None:
    price = stands(history.providers, used.tier, used.day)
    return price.cost(*used.tokens) if isinstance(price, Card) else None


def set_all(history: History) -> None:
    """What tiers cost in its order, and the default tier's cards in any, also for days before."""
    more: dict[str, Any] = {"actor": "test", "now": BEGINNING}
    set_price("m", effective_from=at(0), **history.first.rates(), **more)
    for _, tier, price, begins in ((*each, at(each.day)) for each in history.tiers):
        if isinstance(price, Card):
            set_price("m", service_tier=tier, effective_from=begins, **price.rates(), **more)
        else:
            set_factor("m", tier, price, effective_from=begins, **more)
    for each in history.bases:
        set_price("m", effective_from=at(each.day), **each.price.rates(), **more)  # type: ignore[union-attr]
    for each in history.providers:
        rates = each.price.rates()  # type: ignore[union-attr]
        set_provider_price("azure", "m", service_tier=each.tier, effective_from=at(each.day), **rates, **more)


def said_of_tier(used: Used) -> tuple[str | None, dict[str, str]]:
    """What the event says of it, and what its usage: all of it either, or the tier here and the rest there."""
    if used.manner == 0:
        return used.tier.upper(), {}
    parts = used.tier.split("+")
    place, speed = [each for each in parts if each in PLACES], [each for each in parts if each in SPEEDS]
    tier = [each for each in parts if each not in (*place, *speed)] or ["standard"]
    usage = {"service_tier": tier[0].title()} | ({"speed": speed[0]} if speed else {})
    usage |= {"inference_geo": place[0].upper()} if place else {}
    return (used.tier if used.manner == 1 else None), usage


def events(key: Any, history: History) -> Iterator[dict[str, Any]]:
    for number, used in enumerate(history.used):
        uncached, cached, output = used.tokens
        tier, said = said_of_tier(used)
        usage = {"input_tokens": uncached, "cache_read_input_tokens": cached, "output_tokens": output} | said
        event = {"request_id": f"r{number:02}", "key_id": key.public_id, "model": "m", "provider": "azure", "usage": usage}
        yield event | {"occurred_at": at(used.day).isoformat()} | ({} if tier is None else {"service_tier": tier})


@pytest.mark.django_db
@given(history=histories())
@search(25, 2_000)
def test_modifiers_cost_what_was_said_of_them(shared: None, tally: Tally, history: History) -> None:
    with transaction.atomic():
        forget_names()
        current.forget_rates()
        set_all(history)
        batch = send(make_gateway(), list(events(make_key(make_workspace()), history)), BEGINNING)
        assert batch.rejected == 0, batch.items
        found = list(UsageEvent.objects.order_by("request_id").values_list("service_tier__name", "cost", "provider_cost"))
        assert found == [(each.tier, expected(history, each), expected_of_provider(history, each)) for each in history.used]
        assert everything()["differences"] == []
        transaction.set_rollback(True)
    forget_names()
    current.forget_rates()
    tally["histories"] += 1
    tally["acts"] += len(history.used)
