"""Rows of a queue: leased while they are worked on, tried again for ever, less and less often."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from metering.jobs.leases import LeasedQuerySet
from metering.payments.mails.models import Notice
from metering.payments.webhooks.models import WebhookEvent
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def notice(workspace: Workspace, key: str) -> Notice:
    return Notice.objects.create(workspace=workspace, key=key, kind="invoice_paid", created_at=NOW)


def claimed(now: object = NOW) -> str | None:
    row = Notice.objects.unsent().claim(now)
    return row and row.key


def test_the_oldest_comes_first_and_a_leased_one_is_nobody_elses_until_its_lease_ends(acme: Workspace) -> None:
    for key in ("first", "second"):
        notice(acme, key)
    assert [claimed(), claimed(), claimed()] == ["first", "second", None]
    assert [claimed(NOW + 10 * MINUTE - timedelta(microseconds=1)), claimed(NOW + 10 * MINUTE)] == [None, "first"]


@pytest.mark.parametrize(
    ("queue", "minutes"), [(WebhookEvent.objects.unhandled(), 5), (Notice.objects.unsent(), 10)], ids=["webhooks", "mails"]
)
def test_each_queue_says_how_long_a_row_is_leased(queue: LeasedQuerySet[Any], minutes: int, acme: Workspace) -> None:
    notice(acme, "first")
    WebhookEvent.objects.create(event_id="evt_1", type="charge.updated", payload={}, created_at=NOW, received_at=NOW)
    row = queue.claim(NOW)
    assert row is not None
    assert row.next_try_at - NOW == minutes * MINUTE


def test_each_failure_puts_it_off_twice_as_long_and_never_more_than_four_hours(acme: Workspace) -> None:
    row, waits = notice(acme, "first"), []
    for _ in range(11):
        row.put_off(OSError("no route"), NOW)
        waits.append((row.next_try_at - NOW) // MINUTE)
    row.refresh_from_db()
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 240, 240, 240]
    assert (row.tries, row.error) == (11, "OSError: no route")


def test_a_run_reads_the_clock_for_each_and_ends_when_nothing_is_due(acme: Workspace) -> None:
    for key in ("first", "second"):
        notice(acme, key)
    ticks, heard = iter(NOW + each * MINUTE for each in range(9)), []
    seen = [
        (row.key, (now - NOW) // MINUTE, (row.next_try_at - NOW) // MINUTE)
        for row, now in Notice.objects.unsent().each_due(lambda: next(ticks), lambda *far: heard.append(far))
    ]
    assert (seen, heard) == ([("first", 1, 11), ("second", 2, 12)], [(1, 2), (2, 2)])


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_have_different_rows(acme: Workspace) -> None:
    notice(acme, "first")
    notice(acme, "second")
    with transaction.atomic():
        assert Notice.objects.unsent().claim(NOW).key == "first"
        assert at_once(claimed) == ["second"]  # does not wait for the other's commit
