"""100 thresholds crossed by eight workers at once: 100 alerts and 100 deliveries, none twice."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from metering.alerts.crossings import send_crossings
from metering.limits.budgets.compare import limit_differences
from metering.limits.models import ThresholdCrossing
from metering.notifications.delivery.deliver import deliver_due
from metering.notifications.endpoints.change import create_webhook
from metering.notifications.models import Notification
from metering.payments.mails.models import Notice
from tests.kit.concurrent import all_succeed_at_once
from tests.kit.factories import NOW, an_event, make_key, make_price, make_workspace, send
from tests.kit.receiver import Receiver, receiving
from tests.limits.cast import a_budget
from workspaces.models import Gateway

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS, WORKSPACES = 8, 20
THRESHOLDS = [20, 40, 60, 80, 100]


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOKS_PRIVATE_ADDRESSES = True
    with receiving() as found:
        yield found


def test_a_hundred_thresholds_crossed_by_eight_workers_are_a_hundred_deliveries(gateway: Gateway, receiver: Receiver) -> None:
    make_price()
    keys = [make_key(make_workspace(f"W{number}")) for number in range(WORKSPACES)]
    for key in keys:
        a_budget(key.workspace, "0.01", thresholds=THRESHOLDS)
        create_webhook(key.workspace, receiver.url, types=["budget.threshold_reached"], actor="the tests", now=NOW)
    # 0.002649 each: the four of a workspace, in as many batches as there are workers, come to 0.010596
    batches = [[an_event(key, request_id=f"req_{number}") for key in keys[number % 2 :: 2]] for number in range(WORKERS)]
    begin = threading.Barrier(WORKERS)

    def work(number: int) -> None:
        """A batch comes, and what a worker does when reminded is done by all of them at the same time."""
        begin.wait()
        send(gateway, batches[number])
        for _ in range(3):
            send_crossings(NOW)
            deliver_due(timezone.now)

    all_succeed_at_once(*[partial(work, number) for number in range(WORKERS)])
    send_crossings(NOW)
    deliver_due(timezone.now)
    assert ThresholdCrossing.objects.count() == WORKSPACES * len(THRESHOLDS) == 100
    assert not ThresholdCrossing.objects.filter(notified_at=None).exists()
    assert Notification.objects.count() == Notice.objects.filter(kind="budget_threshold").count() == 100
    assert (len(receiver.received), len(set(receiver.ids()))) == (100, 100)
    found = Counter(json.loads(each.body)["data"]["threshold"] for each in receiver.received)
    assert found == dict.fromkeys(THRESHOLDS, WORKSPACES)
    assert set(receiver.ids()) == set(Notification.objects.values_list("public_id", flat=True))
    assert list(limit_differences(NOW)) == []
