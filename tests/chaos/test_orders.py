"""A job that an operator ordered runs, although its message was lost."""

import time

from tests.chaos.stage import Stage

OPERATOR = "operator@chaos.example"
SECONDS_TO_RUN = 180  # on a busy machine

# As of ten minutes ago, so that the first sweep that looks finds it due.
ORDER = f"""
import os
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "omixa_billing.settings"
django.setup()
from datetime import timedelta
from django.utils import timezone
from metering.jobs.order_job import order_job
order_job("metering.expire_credits", "{OPERATOR}", timezone.now() - timedelta(minutes=10))
print("true")
"""


def test_an_order_outlives_a_broker_that_forgot_its_message(redis_stage: Stage) -> None:
    instance = redis_stage.instance
    with instance.unsupervised():
        instance.kill("worker")  # a waiting worker would have the message the moment it comes
        assert instance.python("-c", ORDER)
        redis_stage.broker.forget(instance)
    deadline = time.monotonic() + SECONDS_TO_RUN
    unfinished = "SELECT 1 FROM metering_joborder WHERE finished_at IS NULL"
    while instance.query(unfinished):
        assert time.monotonic() < deadline, "the order was not carried out"
        time.sleep(0.2)
    runs = instance.query("SELECT job, outcome FROM metering_jobrun WHERE started_by = %s", OPERATOR)
    assert runs == [("metering.expire_credits", "succeeded")]
    redis_stage.reckon()
