"""Which requests are stored together: those that wait for a thread, and those of clients that were answered together."""

import asyncio
import threading
from typing import Any

import pytest

from metering.ingest.intake.api import EventsView
from metering.ingest.intake.together import Posted
from metering.ingest.models import Batch
from omixa_billing.front import intake
from omixa_billing.front.intake import Intake
from workspaces.models import Gateway


def posted(name: str) -> Posted:
    return Posted(Gateway(), "", "", name.encode(), EventsView.payload)


class Store:
    """Stands for the database: it keeps what came together, and answers when it is let."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.begun, self.may_end = threading.Semaphore(0), threading.Semaphore(0)

    def receive(self, group: list[Posted]) -> list[Batch | None]:
        self.groups.append([each.body.decode() for each in group])
        self.begun.release()
        assert self.may_end.acquire(timeout=30)
        return [Batch(public_id=each.body.decode()) for each in group]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store()
    monkeypatch.setattr(intake, "receive_group", made.receive)
    monkeypatch.setattr(intake, "GATHER_SECONDS", 3600)  # nobody's wait ends by itself here
    return made


async def until(semaphore: threading.Semaphore) -> None:
    assert await asyncio.to_thread(semaphore.acquire, timeout=30)


def test_answered_clients_are_waited_for_until_as_many_are_there(store: Store, settings: Any) -> None:
    settings.INTAKE_THREADS = 1

    async def clients() -> list[str]:
        together = Intake()

        def send(name: str) -> asyncio.Task[Batch | None]:
            return asyncio.create_task(together._receive(posted(name)))

        first = send("a")
        await until(store.begun)
        others = [send("b"), send("c")]
        await asyncio.sleep(0)
        store.may_end.release()
        await first
        answered = send("d")  # the third of three: nobody else is expected
        await until(store.begun)
        store.may_end.release()
        ids = [batch.public_id for batch in await asyncio.gather(first, *others, answered) if batch]
        together.close()
        return ids

    assert asyncio.run(clients()) == ["a", "b", "c", "d"]
    assert store.groups == [["a"], ["b", "c", "d"]]
