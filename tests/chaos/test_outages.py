"""What the product needs is away for a while, and it continues by itself once that is back: nothing of it is started again."""

import signal
import time

from tests.chaos.checks import wait_until_settled
from tests.chaos.instance import Instance, parent_of, signal_all
from tests.chaos.stage import Stage

FEW = 8


def refusal(stage: Stage) -> tuple[int, str | None, float]:
    """The status, the Retry-After and the seconds that one more batch meets."""
    connection = stage.instance.connect()
    connection.request("POST", "/gateway/v1/events", b'{"events": []}', {"Authorization": f"Bearer {stage.world.token}"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, response.headers.get("Retry-After")


def waiting(instance: Instance) -> int:
    ((batches,),) = instance.query("SELECT count(*) FROM metering_batch WHERE status = 'pending'")
    return batches


def test_without_its_database_the_endpoint_asks_for_patience(redis_stage: Stage) -> None:
    running = redis_stage.programs_at_work()
    with redis_stage.gateway() as gateway:
        with redis_stage.instance.without_database():
            gateway.hand_over(redis_stage.some(FEW))
            assert not gateway.wait_until_delivered(1)
            answers = [refusal(redis_stage) for _ in range(10)]
        assert answers == [(503, "5")] * 10
    redis_stage.reckon()
    assert redis_stage.instance.programs() == running


def test_without_its_broker_the_endpoint_answers_and_the_work_is_done_later(redis_stage: Stage) -> None:
    instance = redis_stage.instance
    running = redis_stage.programs_at_work()
    with redis_stage.gateway() as gateway:
        before = gateway.notes.answers.copy()
        with instance.unsupervised():
            redis = instance.program("redis")
            signal_all([redis], signal.SIGKILL)
            while parent_of(redis) is not None:
                time.sleep(0.01)
            gateway.hand_over(redis_stage.some(FEW))
            assert gateway.wait_until_delivered(10)
            assert (gateway.notes.answers - before).keys() == {"202"}
            assert waiting(instance) >= FEW
    redis_stage.reckon()
    assert instance.programs() == running


def test_a_full_inbox_asks_for_patience_until_the_workers_have_caught_up(redis_stage: Stage) -> None:
    most = int(redis_stage.instance.environment["INGEST_MAX_WAITING_BATCHES"])
    with redis_stage.gateway() as gateway:
        with redis_stage.instance.frozen("worker"):
            gateway.hand_over(redis_stage.some(5 * most))
            assert not gateway.wait_until_delivered(3)
            assert gateway.notes.answers["429"] > 0
            assert most <= waiting(redis_stage.instance) < 4 * most  # each web process counts for itself in between
        before = gateway.notes.answers["202"]
    assert gateway.notes.answers["202"] > before
    redis_stage.reckon()


def test_usage_is_recorded_while_the_broker_is_up_and_carries_nothing(redis_stage: Stage) -> None:
    """Longer than workers and sweeps are waited for; nothing else is done for it."""
    instance = redis_stage.instance
    running = redis_stage.programs_at_work()
    broker = [instance.program("redis")]
    signal_all(broker, signal.SIGSTOP)
    try:
        with redis_stage.gateway() as gateway:
            gateway.hand_over(redis_stage.some(FEW))
        wait_until_settled(instance)
    finally:
        signal_all(broker, signal.SIGCONT)
    redis_stage.reckon()
    assert instance.programs() == running
