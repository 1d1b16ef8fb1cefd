"""Keys that spend far more within an hour than they usually do."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail

from metering.alerts.preferences import change_alert_settings
from metering.alerts.spikes import alert_to_spikes, find_spikes
from metering.payments.mails.sending import send_waiting
from metering.rollups.models import HourlyRollup
from tests.alerts.cast import announced
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW, make_key, make_model
from tests.kit.people import a_member, trail
from tests.kit.tenants import TESTS
from workspaces.keys.freezing import freeze_key, unfreeze_key
from workspaces.keys.issue import revoke_key
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
SPIKE = "key.spend_spike"
HOUR = timedelta(hours=1)


def cost(key: APIKey, hours_ago: int, usd: str) -> None:
    """Of two models together, as rollups keep it."""
    counts = dict.fromkeys(
        ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"), 0
    )
    APIKey.objects.filter(pk=key.pk).update(last_used_at=NOW - min(hours_ago, 0) * HOUR)
    for slug, part in (("codex-mini", Decimal("0.25")), ("other", Decimal("0.75"))):
        HourlyRollup.objects.create(
            workspace=key.workspace,
            hour=NOW - hours_ago * HOUR,
            model=make_model(slug),
            key=key,
            service_tier_id=1,
            provider_id=1,
            status=0,
            price_id=1,
            requests=1,
            cost=Decimal(usd) * part,
            **counts,
        )


def usual_hours(key: APIKey, usd: str = "2", hours: int = 24) -> None:
    """Every third hour: those without usage do not count."""
    for number in range(hours):
        cost(key, 2 + 3 * number, usd)


def test_an_hour_far_above_the_usual_one_is_alerted_to(key: APIKey) -> None:
    a_member(key.workspace, "owner")
    usual_hours(key)
    cost(key, 0, "20.04")
    assert alert_to_spikes(NOW) == {"spikes": 1, "new": 1, "frozen": 0}
    assert announced(SPIKE) == [
        {
            "key_id": key.public_id,
            "name": "server",
            "kind": "live",
            "hour": "2026-10-15T12:00:00Z",
            "spent": "20.040000000000",
            "usual": "2.000000000000",
            "currency": "USD",
            "frozen": False,
        }
    ]
    send_waiting(NOW)
    (sent,) = mail.outbox
    assert (sent.subject, sent.to) == ("A key spends far more than usual", ["owner@acme.example"])
    for line in (
        "A key spent 20.040000000000 USD within an hour. Its usual hour comes to 2.000000000000 USD.",
        "If you do not know why, freeze the key and look at its requests.",
    ):
        assert line in sent.body
    key.refresh_from_db()
    assert key.frozen_at is None


@pytest.mark.parametrize(
    ("usual", "hours", "spent", "hours_ago", "is_spike"),
    [
        ("2", 24, "20", 0, False),  # exactly ten times
        ("2", 24, "20.04", 1, True),  # the hour that just ended
        ("2", 24, "20.04", 2, False),  # long over
        ("0.01", 24, "9.96", 0, False),  # below the least amount
        ("0.01", 24, "10", 0, True),
        ("2", 23, "500", 0, False),  # no usual hour yet
        ("2", 24, "0", 0, False),
    ],
)
def test_what_a_spike_is(key: APIKey, usual: str, hours: int, spent: str, hours_ago: int, is_spike: bool) -> None:
    usual_hours(key, usual, hours)
    if hours_ago == 2:
        HourlyRollup.objects.filter(hour=NOW - 2 * HOUR).delete()
    cost(key, hours_ago, spent)
    assert [each.key_id for each in find_spikes(NOW)] == ([key.pk] if is_spike else [])


def test_the_usual_hour_is_the_median_of_the_last_two_weeks(key: APIKey) -> None:
    for number in range(25):
        cost(key, 2 + number, str(number + 1))  # 1 to 25: 13 in the middle
    for number in range(30):
        cost(key, 15 * 24 + number, "1000")  # before
    cost(key, 0, "131")
    (found,) = find_spikes(NOW)
    assert (found.usual, found.spent) == (Decimal(13), Decimal(131))


def test_each_key_is_measured_by_itself_and_each_workspace_has_its_own_settings(key: APIKey) -> None:
    rival = make_key(Workspace.objects.create(name="Rival"))
    busy = make_key(key.workspace, name="busy")
    for each, usual in ((key, "2"), (rival, "2"), (busy, "50")):
        usual_hours(each, usual)
        cost(each, 0, "60")
    change_alert_settings(rival.workspace, {"spike_factor": Decimal("50.00")}, TESTS, NOW)
    assert [each.key_id for each in find_spikes(NOW)] == [key.pk]
    change_alert_settings(key.workspace, {"spike_least": Decimal("60.01")}, TESTS, NOW)
    assert find_spikes(NOW) == []


def freezing(workspace: Workspace) -> None:
    change_alert_settings(workspace, {"spike_freezes": True}, TESTS, NOW)


def test_a_spike_freezes_the_key_where_its_workspace_wants_that(key: APIKey) -> None:
    a_member(key.workspace, "owner")
    freezing(key.workspace)
    usual_hours(key)
    cost(key, 0, "60")
    assert alert_to_spikes(NOW) == {"spikes": 1, "new": 1, "frozen": 1}
    key.refresh_from_db()
    assert (key.status(NOW), key.frozen_reason, key.frozen_by) == ("frozen", "spend_spike", None)
    assert [each["frozen"] for each in announced(SPIKE)] == [True]
    assert [each["reason"] for each in announced("key.frozen")] == ["spend_spike"]
    assert trail(key.public_id) == [("metering.detect_spikes", "key.frozen", {"reason": "spend_spike"})]
    send_waiting(NOW)
    assert "We froze it, as you have set" in mail.outbox[0].body


def test_a_person_who_unfreezes_it_is_not_overruled_on_that_day(key: APIKey) -> None:
    freezing(key.workspace)
    usual_hours(key)
    cost(key, 0, "60")
    alert_to_spikes(NOW)
    unfreeze_key(key, TESTS, NOW)
    assert alert_to_spikes(NOW + timedelta(minutes=10)) == {"spikes": 1, "new": 0, "frozen": 0}
    cost(key, -13, "60")
    assert alert_to_spikes(NOW + 13 * HOUR) == {"spikes": 1, "new": 1, "frozen": 1}


@pytest.mark.parametrize("stop", [freeze_key, revoke_key])
def test_a_key_that_does_not_work_spikes_no_more(key: APIKey, stop: Any) -> None:
    usual_hours(key)
    cost(key, 0, "60")
    stop(key, TESTS, NOW)
    assert alert_to_spikes(NOW) == {"spikes": 1, "new": 0, "frozen": 0}
    assert announced(SPIKE) == []


@pytest.mark.django_db(transaction=True)
def test_looks_at_once_are_one_alert_and_one_freeze(key: APIKey) -> None:
    freezing(key.workspace)
    usual_hours(key)
    cost(key, 0, "60")
    counts = at_once(*[lambda: alert_to_spikes(NOW)] * 6)
    assert sum(each["new"] for each in counts) == sum(each["frozen"] for each in counts) == 1
    assert len(announced(SPIKE)) == len(announced("key.frozen")) == 1
