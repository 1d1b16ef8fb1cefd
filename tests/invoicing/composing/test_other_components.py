"""Invoice lines of components beside the common ones: one for each, in its unit, with the requests that it bills."""

import json
from decimal import Decimal
from typing import Any

import pytest

from metering.catalogue.set_price import set_price
from metering.invoicing.as_json import line_json
from metering.invoicing.documents.invoice import line_quantity, line_rate
from metering.invoicing.explaining.explain import events_under
from metering.invoicing.lifecycle.upcoming import upcoming
from metering.invoicing.models import Invoice, InvoiceLine
from metering.reconcile.everything import everything
from metering.rollups.models import SettledUsage
from tests.kit.billing import OCTOBER, Meter, at, finalized, lines_of
from tests.kit.corrections import correct, replace, void
from tests.kit.factories import LONG_AGO, make_price
from tests.kit.searched import make_claude, searched, searched_times
from workspaces.models import APIKey, Gateway, Workspace

pytestmark = pytest.mark.django_db
IN_NOVEMBER = at("11-05T00:00")
CLAUDE = [
    ("usage", "claude, input", 6, "0.000018", "0.00"),
    ("usage", "claude, output", 24, "0.00036", "0.00"),
    ("usage", "claude, 1-hour cache write", 10848, "0.065088", "0.07"),
    ("usage", "claude, web search", 4, "0.04", "0.04"),
]


def billed(line: InvoiceLine) -> dict[str, tuple[int, str]]:
    events, _ = events_under(line, 100)
    return {each.event.request_id: (each.quantity, f"{each.amount_exact.normalize():f}") for each in events}


def of(invoice: Invoice, component: str) -> InvoiceLine:
    return invoice.lines.get(component=component)


def test_each_component_is_a_line_in_its_unit(use: Meter, key: APIKey) -> None:
    make_claude()
    use(key, "09-14T10:00", "09-15T10:00", **searched())
    (invoice,) = finalized()
    assert lines_of(invoice) == CLAUDE
    assert invoice.subtotal_exact == Decimal("0.105466")
    searches, writes = of(invoice, "web_search"), of(invoice, "cache_write_1h")
    names = ("component", "quantity", "unit", "rate", "rate_for", "rate_per_million", "amount_exact")
    assert [[line_json(line)[name] for name in names] for line in (writes, searches)] == [
        ["cache_write_1h", 10848, "token", "6.000000", "1M tokens", "6.000000", "0.065088000000"],
        ["web_search", 4, "search", "0.010000000000", "search", None, "0.040000000000"],
    ]
    assert (line_quantity(searches), line_rate(searches)) == ("4 searches", "0.01 per search")
    assert (line_quantity(writes), line_rate(writes)) == ("10,848", "6.00")
    assert everything()["differences"] == []


def test_the_requests_under_a_line_are_those_that_used_its_component(use: Meter, key: APIKey) -> None:
    make_claude()
    use(key, "09-14T10:00", **searched())
    use(key, "09-14T11:00", **searched(usage=searched_times(0, one_hour=0)))
    use(key, "09-14T12:00", **searched(usage=searched_times(1, one_hour=424)))
    (invoice,) = finalized()
    assert billed(of(invoice, "web_search")) == {"req-1": (2, "0.02"), "req-3": (1, "0.01")}
    assert billed(of(invoice, "cache_write_1h")) == {"req-1": (5424, "0.032544"), "req-3": (424, "0.002544")}
    assert billed(of(invoice, "cache_write")) == {"req-2": (5424, "0.02034"), "req-3": (5000, "0.01875")}
    assert billed(of(invoice, "input")) == {f"req-{n}": (3, "0.000009") for n in (1, 2, 3)}


def test_late_and_corrected_components_are_adjusted_once(use: Meter, key: APIKey, gateway: Gateway) -> None:
    make_claude()
    use(key, "09-14T10:00", "09-15T10:00", **searched())
    finalized()
    correct(gateway, replace(key, searched_times(1), "req-1", dialect="anthropic"), void(key, "req-2"))
    use(key, "09-16T10:00", **searched(usage=searched_times(7)))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert lines_of(october) == [("adjustment", "September 2026: claude, web search", 4, "0.04", "0.04")]
    assert billed(of(october, "web_search")) == {"req-1": (-1, "-0.01"), "req-2": (-2, "-0.02"), "req-3": (7, "0.07")}
    assert everything()["differences"] == []


def test_what_is_taken_back_of_a_component_is_explained_by_the_trail(use: Meter, key: APIKey, gateway: Gateway) -> None:
    make_claude()
    use(key, "09-14T10:00", "09-15T10:00", **searched())
    finalized()
    correct(gateway, void(key, "req-2"))
    assert everything()["differences"] == []
    use(key, "10-14T10:00", **searched(usage=searched_times(70)))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert (october.holds, october.status) == ([], "open")
    assert billed(october.lines.get(component="web_search", kind="adjustment")) == {"req-2": (-2, "-0.02")}


def test_a_charge_for_each_request_is_a_line(use: Meter, key: APIKey) -> None:
    make_price("asked", "1", None, "2", request="0.005")
    use(key, "09-14T10:00", "09-14T11:00", model="asked")
    use(key, "09-14T12:00", model="asked", status="aborted", usage={"prompt_tokens": 0, "completion_tokens": 0})
    (invoice,) = finalized()
    assert ("usage", "asked, request", 3, "0.015", "0.02") in lines_of(invoice)
    assert billed(of(invoice, "request")) == {f"req-{n}": (1, "0.005") for n in (1, 2, 3)}


def test_reasoning_with_a_rate_of_its_own_leaves_the_output(use: Meter, key: APIKey) -> None:
    make_price("thinker", "1", None, "6", reasoning="3")
    use(key, "09-14T10:00", model="thinker")
    (invoice,) = finalized()
    assert lines_of(invoice)[-2:] == [
        ("usage", "thinker, output", 108, "0.000648", "0.00"),
        ("usage", "thinker, reasoning", 192, "0.000576", "0.00"),
    ]
    assert everything()["differences"] == []


def test_the_running_month_and_what_was_settled_of_it_have_them_too(
    use: Meter, key: APIKey, acme: Workspace, django_assert_max_num_queries: Any
) -> None:
    make_claude()
    use(key, "10-10T10:00", "10-11T10:00", **searched())
    first = [(line.component, line.quantity) for line in upcoming(acme, at("10-15T12:00")).lines]
    again = [(line.component, line.quantity) for line in upcoming(acme, at("10-15T12:00")).lines]
    assert first == again == [("input", 6), ("output", 24), ("cache_write_1h", 10848), ("web_search", 4)]
    assert json.dumps(list(SettledUsage.objects.values_list("sums", flat=True)))


def test_two_versions_with_other_rates_are_two_lines(use: Meter, key: APIKey) -> None:
    make_claude()
    use(key, "09-14T10:00", **searched())
    set_price(
        "claude",
        input=Decimal(3),
        output=Decimal(15),
        web_search=Decimal("0.02"),
        effective_from=at("09-15T00:00"),
        actor="a test",
        now=LONG_AGO,
    )
    use(key, "09-15T10:00", **searched())
    (invoice,) = finalized()
    assert [line for line in lines_of(invoice) if "search" in line[1]] == [
        ("usage", "claude, web search, price from 2025-01-01", 2, "0.02", "0.02"),
        ("usage", "claude, web search, price from 2026-09-15", 2, "0.04", "0.04"),
    ]
