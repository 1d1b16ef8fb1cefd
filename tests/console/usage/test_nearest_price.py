"""What usage without a price might cost, by the price nearest to it."""

from decimal import Decimal

import pytest

from metering.console.backlog import unpriced_by_cause
from metering.console.usage.nearest_price import guesses
from tests.kit.factories import an_event, make_price, send
from tests.kit.searched import COST, make_claude, searched
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db


def test_an_estimate_has_searches_in_it_and_is_none_where_nothing_prices_them(gateway: Gateway, key: APIKey) -> None:
    make_claude(tier="priority")
    make_price("claude-2", "3", "0.3", "15", "3.75", tier="priority")
    events = [an_event(key, request_id=f"s{at}", **searched()) for at in range(2)]
    send(gateway, [*events, an_event(key, request_id="t", **searched(model="claude-2"))])
    causes = unpriced_by_cause()
    found = {each["model__slug"]: guess and guess.cost for each, guess in zip(causes, guesses(causes), strict=True)}
    assert (found["claude"], found["claude-2"]) == (Decimal(COST) * 2, None)
