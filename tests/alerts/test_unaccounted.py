"""Days with requests that were allowed and never ended: operators hear of each once."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from metering.alerts.unaccounted import report_unaccounted
from metering.limits.holds import expire_holds
from metering.notifications.models import Notification
from metering.payments.mails.sending import send_waiting
from tests.alerts.cast import announced
from tests.kit.factories import NOW
from tests.limits.cast import ask
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def test_a_day_is_reported_once_to_the_operators_alone(key: APIKey, gateway: Gateway, settings: Any) -> None:
    settings.OPERATOR_EMAILS = ["ops@omixa.example"]
    for number in range(3):
        ask(key, gateway, f"req_{number}")
    expire_holds(NOW + timedelta(hours=1))
    assert report_unaccounted(NOW + timedelta(hours=2)) == {"days": 0, "new": 0}, "the day has not ended"
    assert report_unaccounted(NOW + DAY) == {"days": 1, "new": 1}
    assert report_unaccounted(NOW + 2 * DAY) == {"days": 1, "new": 0}
    assert announced("usage.unaccounted") == [
        {
            "day": "2026-10-15",
            "requests": 3,
            "usd": "0.033000000000",
            "currency": "USD",
            "gateways": [{"gateway_id": gateway.public_id, "requests": 3, "usd": "0.033000000000"}],
        }
    ]
    assert Notification.objects.get().workspace is None
    send_waiting(NOW + DAY)
    (sent,) = mail.outbox
    assert (sent.subject, sent.to) == ("3 requests of 2026-10-15 are unaccounted for", ["ops@omixa.example"])
    assert f"Gateways: {gateway.public_id} (3)" in sent.body
    assert "/admin/metering/hold/unaccounted/" in sent.body


def test_a_request_that_was_held_for_long_is_reported_when_it_runs_out(key: APIKey, gateway: Gateway) -> None:
    ask(key, gateway, ttl_seconds=86_400)
    tomorrow = NOW.replace(hour=6) + DAY
    expire_holds(tomorrow)
    assert report_unaccounted(tomorrow) == {"days": 0, "new": 0}
    expire_holds(tomorrow + DAY)
    assert report_unaccounted(tomorrow + DAY) == {"days": 1, "new": 1}


def test_where_everything_ended_nobody_is_told(key: APIKey, gateway: Gateway) -> None:
    assert report_unaccounted(NOW + DAY) == {"days": 0, "new": 0}
