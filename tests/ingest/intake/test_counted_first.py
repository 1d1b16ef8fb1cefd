"""A few KiB of gzip hold a million events: they are counted, and refused, before work is done on any of them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from metering.errors import BatchTooLarge
from metering.ingest.formats import bodies, cloudevents, litellm
from metering.ingest.formats.payloads import InboxPayload, of_cloudevents, of_corrections, of_events, of_litellm

MANY = 1_001
HALF_AN_EMOJI = b'"\\ud83d"'


def of_batched(body: bytes) -> InboxPayload:
    return of_cloudevents(body, cloudevents.BATCH)


def many(one: bytes, between: bytes = b",") -> bytes:
    return between.join([one] * MANY)


BODIES: dict[str, tuple[Callable[[bytes], InboxPayload], bytes]] = {
    "events": (of_events, b'{"events":[%s]}' % many(b"{}")),
    "events that only a patient decoder reads": (of_events, b'{"events":[%s,%s]}' % (HALF_AN_EMOJI, many(b"{}"))),
    "corrections": (of_corrections, b'{"corrections":[%s]}' % many(b"{}")),
    "corrections, patiently": (of_corrections, b'{"corrections":[%s,%s]}' % (HALF_AN_EMOJI, many(b"{}"))),
    "an array of LiteLLM's": (of_litellm, b"[%s]" % many(b"{}")),
    "lines of LiteLLM's": (of_litellm, many(b"{}", b"\n")),
    "lines of LiteLLM's, patiently": (of_litellm, many(b'{"a":%s}' % HALF_AN_EMOJI, b"\n")),
    "CloudEvents": (of_batched, b"[%s]" % many(b"{}")),
    "CloudEvents, patiently": (of_batched, b"[%s,%s]" % (HALF_AN_EMOJI, many(b"{}"))),
}


@pytest.mark.parametrize("name", BODIES)
def test_too_many_are_refused_before_any_is_worked_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    worked_on: list[Any] = []
    dumps = json.dumps

    def noted(value: Any, *arguments: Any, **more: Any) -> Any:
        worked_on.append(value)
        return dumps(value, *arguments, **more)

    monkeypatch.setattr(litellm, "_event", worked_on.append)
    monkeypatch.setattr(cloudevents, "_unwrapped", worked_on.append)
    monkeypatch.setattr(bodies.json, "dumps", noted)
    of, body = BODIES[name]
    with pytest.raises(BatchTooLarge, match=r"^100[12] (events|corrections) are more than 1,000"):
        _ = of(body).contents
    assert worked_on == []
