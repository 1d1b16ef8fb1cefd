"""No event is lost on its way from the answer to the product, and none is sent again once the product has it."""

import json
import multiprocessing
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from conftest import Product, until
from omixa_litellm.spool import Spool
from omixa_litellm.spool.segments import Folder

MANY = 1024 * 1024 * 1024


def spool_at(path: Path, url: str, most_bytes: int = MANY) -> Spool:
    spool = Spool(path, most_bytes, url, "omx_gateway_x")
    spool.start()
    return spool


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return sorted(event["number"] for event in events)


def test_every_event_arrives_once_and_nothing_stays_on_disk(product: Product, tmp_path: Path) -> None:
    spool = spool_at(tmp_path, product.url)
    for number in range(5_000):
        spool.append({"number": number})
    until(lambda: len(product.events()) >= 5_000)
    spool.close()
    assert numbers(product.events()) == list(range(5_000))
    assert max(len(body["events"]) for _, body in product.heard) <= 1_000
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_event_is_on_disk_before_the_product_has_heard_of_it(tmp_path: Path) -> None:
    spool = spool_at(tmp_path, nobody_listens())
    spool.append({"number": 1})
    written = until(lambda: [path.read_text() for path in tmp_path.rglob("*.[pn]*") if path.read_text()])
    spool.close(0.5)
    assert written == ['{"number":1}\n']


def test_events_wait_while_the_product_is_away_and_arrive_when_it_is_back(product: Product, tmp_path: Path) -> None:
    away = {"status": 503}
    product.answers["/gateway/v1/events"] = lambda _: (away["status"], {"rejected": []})
    spool = spool_at(tmp_path, product.url)
    for number in range(2_500):
        spool.append({"number": number})
    until(lambda: spool.sender._failures > 1)
    assert product.events() == []
    away["status"] = 202
    until(lambda: len(product.events()) == 2_500)
    spool.close()
    assert numbers(product.events()) == list(range(2_500))


def test_what_a_killed_process_left_is_sent_by_one_that_lives(product: Product, tmp_path: Path) -> None:
    child = multiprocessing.get_context("spawn").Process(target=write_and_wait, args=(tmp_path, nobody_listens()))
    child.start()
    until(lambda: sum(path.read_bytes().count(b"\n") for path in tmp_path.rglob("*.[pn]*")) == 700, 60)
    assert child.pid is not None
    spool = spool_at(tmp_path, product.url)
    spool.append({"number": 700})
    until(product.events)
    spool.folder.adopt()
    assert numbers(product.events()) == [700]  # what a living process holds is its own
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    until(lambda: len(product.events()) == 701)
    spool.close()
    assert numbers(product.events()) == list(range(701))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def write_and_wait(path: Path, url: str) -> None:
    spool = spool_at(path, url)
    for number in range(700):
        spool.append({"number": number})
    signal.pause()


def test_half_a_line_that_a_power_cut_left_is_put_aside_and_the_rest_is_sent(product: Product, tmp_path: Path) -> None:
    dead = Folder(tmp_path)
    dead.next_part().write_bytes(b'{"number":1}\n{"numb')
    os.close(dead._lock)
    spool = spool_at(tmp_path, product.url)
    until(product.events)
    spool.close()
    assert numbers(product.events()) == [1]
    assert [path.read_text() for path in (tmp_path / "rejected").iterdir()] == ['{"numb\n']


def test_rejected_events_are_put_aside_with_the_reason_and_their_neighbours_are_done(product: Product, tmp_path: Path) -> None:
    refused = {"index": 1, "request_id": "r1", "code": "unknown_key", "message": "No such key."}
    product.answers["/gateway/v1/events"] = (202, {"accepted": 2, "rejected": [refused]})
    spool = Spool(tmp_path, MANY, product.url, "omx_gateway_x")
    for number in range(3):
        spool.append({"number": number})
    spool.start()
    kept = until(lambda: list((tmp_path / "rejected").iterdir()))
    until(lambda: spool.sender.sent)
    spool.close()
    assert json.loads(kept[0].read_text()) == {**refused, "event": {"number": 1}}
    assert (spool.sender.sent, spool.sender.rejected, len(product.heard)) == (2, 1, 1)


def test_a_body_that_is_refused_for_good_does_not_stop_those_after_it(product: Product, tmp_path: Path) -> None:
    product.answers["/gateway/v1/events"] = lambda body: (400 if body["events"][0]["number"] == 0 else 202, {"rejected": []})
    spool = spool_at(tmp_path, product.url)
    spool.append({"number": 0})
    until(lambda: spool.sender.rejected == 1)
    spool.append({"number": 1})
    until(product.events)
    spool.close()
    assert numbers(product.events()) == [1]
    (aside,) = (tmp_path / "rejected").iterdir()
    assert json.loads(aside.read_text()) == {"code": "status_400", "event": {"number": 0}}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_body_that_is_refused_whole_arrives_in_halves_and_the_line_at_fault_is_put_aside(
    product: Product, tmp_path: Path, status: int
) -> None:
    def takes(body: bytes | dict[str, Any]) -> tuple[int, dict[str, Any]]:
        fits = isinstance(body, dict) and len(body["events"]) <= 30
        return (202 if fits else status), {"rejected": []}

    product.answers["/gateway/v1/events"] = takes
    dead = Folder(tmp_path)
    lines = [b'{"number":%d}' % number for number in range(100)]
    lines[40] = b'{"number":\x00\x00\xff'
    (dead.path / "000000000001.ndjson").write_bytes(b"\n".join(lines) + b"\n")
    os.close(dead._lock)
    spool = spool_at(tmp_path, product.url)
    until(lambda: spool.sender.rejected)
    spool.close()
    assert numbers(product.events()) == [number for number in range(100) if number != 40]
    (aside,) = (tmp_path / "rejected").iterdir()
    assert json.loads(aside.read_text()) == {"code": f"status_{status}", "event": '{"number":\x00\x00\ufffd'}
    assert (spool.sender.sent, spool.sender.rejected) == (99, 1)


@pytest.mark.parametrize(
    "answer", [b"ok", b"", [], {}, {"rejected": None}, {"rejected": ["r1"]}, {"rejected": [{"index": 1}]}, {"rejected": [{}]}]
)
def test_a_202_that_is_not_the_products_answers_for_nothing(product: Product, tmp_path: Path, answer: Any) -> None:
    product.answers["/gateway/v1/events"] = (202, answer)
    spool = spool_at(tmp_path, product.url)
    spool.append({"number": 0})
    until(lambda: spool.sender._failures)
    del product.answers["/gateway/v1/events"]
    product.heard.clear()
    spool.append({"number": 1})
    until(lambda: len(product.events()) == 2)
    spool.close()
    assert numbers(product.events()) == [0, 1]


def test_a_name_that_cannot_be_given_is_given_later_and_no_file_is_written_that_is_not_ours(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {"is": True}
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if broken["is"] and path.suffix == ".part":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    spool = spool_at(tmp_path, product.url)
    spool.append({"number": 0})
    assert "Input/output error" in until(spool.refusal)
    (descriptor,) = [each for each in descriptors() if each[1].endswith(".part")]
    spool.append({"number": 1})
    until(lambda: b'{"number":1}' in b"".join(path.read_bytes() for path in tmp_path.rglob("*.part")))
    assert descriptor in descriptors()  # still open, and still this file
    broken["is"] = False
    until(lambda: len(product.events()) == 2)
    until(lambda: spool.refusal() is None)
    spool.close()
    assert numbers(product.events()) == [0, 1]


def descriptors() -> list[tuple[str, str]]:
    """Number and file of each that this process has open."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        try:
            found.append((path.name, os.readlink(path)))
        except FileNotFoundError:
            continue
    return found


@pytest.mark.parametrize("name", ["waiting", "adopt", "bytes_used"])
def test_no_fault_ends_the_thread_that_sends(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    spool = Spool(tmp_path, MANY, product.url, "omx_gateway_x")
    with monkeypatch.context() as patched:
        patched.setattr(spool.folder, name, lambda: 1 / 0)
        spool.start()
        assert "division" in until(spool.refusal)
    spool.append({"number": 0})
    until(product.events)
    until(lambda: spool.refusal() is None)
    spool.close()


@pytest.mark.parametrize("thread", ["writer", "sender"])
def test_a_thread_that_ended_refuses_new_requests(product: Product, tmp_path: Path, thread: str) -> None:
    spool = spool_at(tmp_path, product.url)
    assert spool.refusal() is None
    getattr(spool, thread).finish(5)
    assert f"omixa-spool-{thread} ended" in str(spool.refusal())
    spool.close(0.5)


def test_what_was_rejected_counts_as_well(product: Product, tmp_path: Path) -> None:
    refused = {"index": 0, "request_id": "r1", "code": "unknown_key", "message": "No such key."}
    product.answers["/gateway/v1/events"] = (202, {"rejected": [refused]})
    spool = spool_at(tmp_path, product.url, most_bytes=200)
    assert spool.refusal() is None
    for number in range(3):
        spool.append({"number": number})
        until(lambda number=number: spool.sender.rejected == number + 1)
    assert "or looked at" in until(spool.refusal)
    spool.close()


def test_a_full_disk_refuses_new_requests_and_loses_none_of_the_old(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first half of each write fits, as on a disk that fills up."""
    full = {"is": True}
    write = os.write

    def cramped(descriptor: int, content: Any) -> int:
        if not full["is"] or not os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(tmp_path)):
            return write(descriptor, content)
        if len(content) < 8:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[: len(content) // 2])

    monkeypatch.setattr(os, "write", cramped)
    spool = spool_at(tmp_path, product.url)
    spool.append({"number": 1})
    assert "No space left on device" in until(spool.refusal)
    assert [path.read_bytes() for path in tmp_path.rglob("*.part")] == [b""]  # no half of an event stays
    spool.append({"number": 2})
    full["is"] = False
    until(lambda: len(product.events()) == 2)
    assert spool.refusal() is None
    spool.close()
    assert numbers(product.events()) == [1, 2]


def test_more_than_the_allowed_bytes_refuse_new_requests_until_they_are_sent(product: Product, tmp_path: Path) -> None:
    away = {"status": 503}
    product.answers["/gateway/v1/events"] = lambda _: (away["status"], {"rejected": []})
    spool = spool_at(tmp_path, product.url, most_bytes=100)
    for number in range(20):
        spool.append({"number": number})
    assert "more than the 100 allowed" in until(spool.refusal)
    away["status"] = 202
    until(lambda: spool.refusal() is None)
    spool.close()
    assert numbers(product.events()) == list(range(20))


def nobody_listens() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
