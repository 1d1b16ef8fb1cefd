"""Balances and previews read what was added up before, and say the same as from all rollups."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import transaction

from metering.invoicing.composing.read import read_books
from metering.invoicing.lifecycle import current_books
from metering.invoicing.lifecycle.current_books import books_until_now
from metering.invoicing.lifecycle.upcoming import upcoming
from metering.invoicing.lifecycle.void import reissue, void
from metering.payments.balance.balance import balance_of
from metering.reconcile.settled_usage import settled_differences
from metering.rollups.models import DailyRollup, SettledUsage
from metering.rollups.rebuild import rebuild
from metering.rollups.settled_usage import unsettle
from tests.kit.billing import AUGUST, OCTOBER, SEPTEMBER, Meter, agree, at, finalized, tokens
from tests.kit.concurrent import at_once
from tests.kit.corrections import correct, replace
from tests.kit.corrections import void as take_away
from tests.kit.days import fixed_day
from tests.kit.factories import NOW
from workspaces.models import APIKey, Workspace

__all__ = ["fixed_day"]
pytestmark = pytest.mark.django_db
OPS = "ops@omixa.example"
MILLION = tokens(input=1_000_000)


@pytest.fixture
def months(use: Meter, key: APIKey, acme: Workspace) -> Iterator[Workspace]:
    """August and September used 1.50 and 3.00 and are billed; October used 1.50 on the 2nd and 1.50 today."""
    use(key, "08-10T00:00", "09-10T00:00", "09-11T00:00", "10-02T00:00", "10-15T11:00", usage=MILLION)
    finalized(AUGUST)
    finalized(SEPTEMBER)
    yield acme
    assert list(settled_differences()) == []


def row(workspace: Workspace) -> tuple[str, str, int]:
    """What is settled: from, up to, and how many tokens."""
    kept = SettledUsage.objects.get(pk=workspace.pk)
    return f"{kept.until:%m-%d}", f"{kept.through:%m-%d}", sum(each[-1] for each in kept.sums)


def both(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, now: Any = NOW) -> tuple[Any, Any]:
    """Unbilled usage and the preview's subtotal: as settled, which are those of all rollups."""
    found = [(balance_of(workspace, now).unbilled, upcoming(workspace, now).subtotal_exact) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(current_books, "settled_through", lambda _: None)
        found.append((balance_of(workspace, now).unbilled, upcoming(workspace, now).subtotal_exact))
    assert found[0] == found[1] == found[2]
    return found[0]


def test_what_is_billed_and_what_is_old_is_not_read_again(months: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert both(months, monkeypatch) == (Decimal(3), Decimal(3))
    assert row(months) == ("10-01", "10-14", 1_000_000)
    books = books_until_now(months, NOW)
    assert (books.start, sorted({key.month.month for key in books.used})) == (OCTOBER.start, [10])
    assert sum(books.used.values()) == sum(read_books(months, OCTOBER.end, OCTOBER.start).used.values()) == 2_000_000


@pytest.mark.parametrize(("day", "kept"), [("10-05", ("10-01", "10-01", 0)), ("09-20", None), ("07-20", None)])
def test_late_usage_takes_back_what_was_settled(
    months: Workspace, use: Meter, key: APIKey, monkeypatch: pytest.MonkeyPatch, day: str, kept: Any
) -> None:
    both(months, monkeypatch)
    use(key, f"{day}T10:00", usage=MILLION)
    if kept is None:
        assert not SettledUsage.objects.exists()
    else:
        assert row(months) == kept
    assert both(months, monkeypatch) == (Decimal("4.5"), Decimal("4.5"))


def test_usage_of_now_takes_nothing_back(months: Workspace, use: Meter, key: APIKey, monkeypatch: pytest.MonkeyPatch) -> None:
    both(months, monkeypatch)
    use(key, "10-15T11:30", "10-15T00:00", usage=MILLION)
    assert row(months) == ("10-01", "10-14", 1_000_000)
    assert both(months, monkeypatch) == (Decimal(6), Decimal(6))


def test_corrections_of_either_part_are_seen(
    months: Workspace, use: Meter, key: APIKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(months, monkeypatch)
    correct(use.gateway, replace(key, tokens(input=3_000_000), "req-4"), now=NOW)
    assert both(months, monkeypatch) == (Decimal(6), Decimal(6))
    correct(use.gateway, take_away(key, "req-1"), now=NOW)
    assert both(months, monkeypatch) == (Decimal("4.5"), Decimal("4.5"))


def test_a_void_a_reissue_and_a_new_minimum_are_seen(months: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    both(months, monkeypatch)
    august = months.invoices.get(period_start=AUGUST.start)
    void(august.pk, "wrong address", OPS, NOW)
    assert both(months, monkeypatch) == (Decimal("4.5"), Decimal(3))
    reissue(august.pk, OPS, NOW)
    assert both(months, monkeypatch) == (Decimal("4.5"), Decimal(3))
    agree(months, since=OCTOBER, minimum_commitment=Decimal(100))
    assert both(months, monkeypatch) == (Decimal("4.5"), Decimal(100))


def test_the_next_days_are_settled_as_they_pass(
    months: Workspace, use: Meter, key: APIKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(months, monkeypatch)
    with time_machine.travel(at("10-20T12:00"), tick=False):
        both(months, monkeypatch, at("10-20T12:00"))
    assert row(months) == ("10-01", "10-19", 2_000_000)
    with time_machine.travel(at("11-02T12:00"), tick=False):
        assert both(months, monkeypatch, at("11-02T12:00"))[0] == Decimal(3)
        finalized(OCTOBER, at("11-05T12:00"))
        assert both(months, monkeypatch, at("11-02T12:00")) == (Decimal(0), Decimal(0))
    assert row(months) == ("11-01", "11-01", 0)


def test_rollups_that_are_made_again_are_read_again(months: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    both(months, monkeypatch)
    DailyRollup.objects.filter(workspace=months, day=at("10-02T00:00")).delete()
    (found,) = settled_differences()
    assert (found["check"], found["expected"], found["found"]) == ("settled_usage_is_the_rollups", "0", "1000000")
    rebuild(OCTOBER)
    assert both(months, monkeypatch) == (Decimal(3), Decimal(3))


@pytest.mark.django_db(transaction=True)
def test_nothing_is_settled_while_a_worker_changes_old_days(
    use: Meter, key: APIKey, acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(key, "10-02T00:00", usage=MILLION)
    with transaction.atomic():
        unsettle([(acme.pk, at("10-02T00:00"))])
        (balance,) = at_once(lambda: balance_of(acme, NOW).unbilled)
        assert (balance, SettledUsage.objects.count()) == (Decimal("1.5"), 0)
    assert both(acme, monkeypatch) == (Decimal("1.5"), Decimal("1.5"))
    assert row(acme) == ("10-01", "10-14", 1_000_000)
