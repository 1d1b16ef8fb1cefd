"""Downloads at once: a few per caller and per workspace, some per process, and every slot comes back."""

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from redis import Redis

from metering.invoicing.credit_notes.issue import issue
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from omixa_billing.rate_limits import downloads, store
from omixa_billing.rate_limits.downloads import TooManyDownloads, guarded
from tests.kit.billing import Meter, finalized
from tests.kit.factories import NOW, make_key
from tests.kit.people import a_key, a_member
from workspaces import downloads as files
from workspaces.access.authentication import caller_of_member
from workspaces.audit import entries
from workspaces.downloads import limited_download
from workspaces.models import AuditEntry, User, Workspace

STRETCH = "start=2026-09-01T00:00:00Z&end=2026-10-01T00:00:00Z"
API = "/api/v1/usage"


@pytest.fixture(autouse=True)
def _slots(settings: Any, db: None) -> Iterator[None]:
    """Closing an answer ends its request, which looks after the database's connection."""
    settings.DOWNLOADS_PER_CALLER, settings.DOWNLOADS_PER_WORKSPACE, settings.DOWNLOADS_PER_PROCESS = 2, 3, 5
    yield
    left = dict(downloads._here)
    downloads._here.clear()
    assert left == {}, "a slot was not released"


@pytest.fixture
def issued(use: Meter, acme: Workspace) -> CreditNote:
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000, "total_tokens": 2_000_000}
    use(make_key(acme), "09-10T08:00", usage=usage)
    (invoice,) = finalized()
    return issue(lock_invoice(invoice.pk), None, "an outage", "", "ops", NOW)


def api_paths(invoice: Invoice, note: CreditNote) -> list[str]:
    line = invoice.lines.get(component="output")
    return [
        f"{API}?{STRETCH}&format=csv",
        f"{API}/events?format=csv",
        f"{API}/events?format=ndjson",
        f"/api/v1/invoices/{invoice.public_id}/pdf",
        f"/api/v1/invoices/{invoice.public_id}/lines/{line.public_id}/events?format=csv",
        f"/api/v1/credit-notes/{note.public_id}/pdf",
        *(f"/api/v1/exports/{kind}?{STRETCH}" for kind in ("invoices", "lines", "payments", "credits")),
    ]


def page_paths(invoice: Invoice, note: CreditNote) -> list[str]:
    line = invoice.lines.get(component="output")
    return [
        "/usage?format=csv",
        "/usage/events?format=csv",
        f"/invoices/{invoice.public_id}/pdf",
        f"/invoices/{invoice.public_id}/lines/{line.public_id}?format=csv",
        f"/credit-notes/{note.public_id}/pdf",
        *(f"/exports/{kind}" for kind in ("invoices", "lines", "payments", "credits")),
    ]


def console_paths(invoice: Invoice, note: CreditNote) -> list[str]:
    return [
        reverse("admin:metering_invoice_pdf", args=[invoice.pk]),
        reverse("admin:metering_creditnote_pdf", args=[note.pk]),
    ]


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def test_every_file_of_the_api_takes_a_slot(issued: CreditNote, acme: Workspace, settings: Any) -> None:
    _, secret = a_key(acme, "admin")
    client = Client(headers={"authorization": f"Bearer {secret}"})
    for path in api_paths(issued.invoice, issued):
        settings.DOWNLOADS_PER_CALLER = 0
        refused = client.get(path)
        assert (refused.status_code, refused["Retry-After"]) == (429, "5"), path
        assert refused.json()["error"]["code"] == "too_many_downloads"
        settings.DOWNLOADS_PER_CALLER = 1
        answer = client.get(path)
        assert (answer.status_code, bool(body(answer))) == (200, True), path
        assert not downloads._here, path


def test_every_file_of_the_pages_takes_a_slot(issued: CreditNote, acme: Workspace, settings: Any) -> None:
    member = Client()
    member.force_login(a_member(acme, "owner").user)
    operator = Client()
    operator.force_login(User.objects.create_superuser("ops@omixa.example"))
    asked = [(member, path) for path in page_paths(issued.invoice, issued)]
    asked += [(operator, path) for path in console_paths(issued.invoice, issued)]
    for browser, path in asked:
        settings.DOWNLOADS_PER_CALLER = 0
        refused = browser.get(path)
        assert (refused.status_code, refused["Retry-After"]) == (429, "5"), path
        assert "Too many requests" in refused.content.decode()
        settings.DOWNLOADS_PER_CALLER = 1
        answer = browser.get(path)
        assert (answer.status_code, bool(body(answer))) == (200, True), path
        assert not downloads._here, path


def a_request() -> HttpRequest:
    return RequestFactory().get("/api/v1/anything")


def stream(caller: str, workspace: str | None = "ws_1", pieces: Any = (b"a", b"b")) -> Any:
    return guarded(a_request(), caller, workspace, lambda: StreamingHttpResponse(iter(pieces)))


def test_a_caller_has_two_at_once_and_the_next_when_one_was_read() -> None:
    first, second = stream("key_1"), stream("key_1")
    with pytest.raises(TooManyDownloads) as refused:
        stream("key_1")
    assert (refused.value.status, refused.value.retry_after) == (429, 5)
    assert b"".join(first.streaming_content) == b"ab"
    third = stream("key_1")
    for each in (first, second, third):
        each.close()


def test_a_workspace_has_three_at_once_whichever_keys_ask() -> None:
    held = [stream(f"key_{number}") for number in range(3)]
    with pytest.raises(TooManyDownloads):
        stream("key_9")
    other = stream("key_9", "ws_2")
    for each in (*held, other):
        each.close()


def test_a_process_has_five_at_once_whoever_asks() -> None:
    held = [stream(f"key_{number}", f"ws_{number}") for number in range(5)]
    with pytest.raises(TooManyDownloads):
        stream("key_9", "ws_9")
    for each in held:
        each.close()


def test_a_slot_comes_back_when_the_reader_leaves_before_the_first_piece() -> None:
    answer = stream("key_1")
    answer.close()
    answer.close()
    assert not downloads._here


def test_a_slot_comes_back_when_nobody_closes_what_is_not_read_any_more() -> None:
    answer = stream("key_1")
    next(iter(answer.streaming_content))
    del answer
    gc.collect()
    assert not downloads._here


def test_a_slot_comes_back_when_making_or_reading_fails() -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("in the middle")

    def failing() -> HttpResponse:
        raise ValueError("at the start")

    with pytest.raises(ValueError, match="at the start"):
        guarded(a_request(), "key_1", "ws_1", failing)
    assert not downloads._here
    with pytest.raises(ValueError, match="in the middle"):
        list(stream("key_1", pieces=broken()).streaming_content)
    assert not downloads._here


def test_what_a_download_held_open_is_closed_with_it() -> None:
    closed = []

    def rows() -> Iterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    answer = stream("key_1", pieces=rows())
    next(iter(answer.streaming_content))
    answer.close()
    assert closed == [True]


def test_of_many_at_once_two_get_a_slot() -> None:
    start, results = threading.Barrier(8), []

    def ask() -> None:
        start.wait()
        try:
            results.append(stream("key_1", None))
        except TooManyDownloads:
            results.append(None)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = [each for each in results if each is not None]
    assert (len(results), len(got)) == (8, 2)
    for each in got:
        each.close()


def as_another_process() -> None:
    """What this process holds is forgotten here, and stays in the store."""
    downloads._here.clear()


def test_processes_add_up_their_downloads_in_the_store(counting: Redis) -> None:
    held = [stream("key_1"), stream("key_1")]
    as_another_process()
    with pytest.raises(TooManyDownloads):
        stream("key_1")
    held[0].close()
    again = stream("key_1")
    for each in (held[1], again):
        each.close()
    assert list(counting.scan_iter("*downloads*")) == []


def test_the_slots_of_a_killed_process_run_out(counting: Redis) -> None:
    held = [stream("key_1"), stream("key_1")]
    as_another_process()
    for name in counting.scan_iter("*downloads*"):
        assert 0 < counting.pttl(name) <= downloads.LEASE_SECONDS * 1000
        for member in counting.zrange(name, 0, -1):
            counting.zadd(name, {member: 1})  # their time is over
    again = stream("key_1")
    for each in (*held, again):
        each.close()


def test_a_slot_is_kept_for_as_long_as_it_is_read(counting: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "RENEW_SECONDS", -1)
    answer = stream("key_1")
    (name,) = counting.scan_iter("*downloads:caller*")
    counting.zadd(name, dict.fromkeys(counting.zrange(name, 0, -1), 1))
    next(iter(answer.streaming_content))
    assert counting.zrange(name, 0, -1, withscores=True)[0][1] > 1_000_000
    answer.close()


def test_without_the_store_each_process_still_counts_its_own(settings: Any, tmp_path: Any) -> None:
    settings.LIMITS_REDIS_URL = f"unix://{tmp_path}/nothing.sock"
    store.forget_connection()
    held = [stream("key_1"), stream("key_1")]
    with pytest.raises(TooManyDownloads):
        stream("key_1")
    for each in held:
        each.close()
    store.forget_connection()


def test_an_answer_of_many_rows_takes_a_slot_like_a_file(acme: Workspace, use: Meter, monkeypatch: Any) -> None:
    key = make_key(acme)
    for day in ("09-10T08:00", "09-11T08:00", "09-12T08:00"):
        use(key, day)
    (_, admin), path = a_key(acme, "admin"), f"{API}?{STRETCH}&bucket=day"
    caller = Client(headers={"Authorization": f"Bearer {admin}"})
    plain = caller.get(path)
    monkeypatch.setattr(files, "FEW_ROWS", 2)
    made = caller.get(path)
    assert (made.status_code, made["Content-Type"], made.content) == (200, "application/json", plain.content)
    assert len(made.json()["data"]) == 3
    held = [caller.get(f"{API}/events?format=ndjson") for _ in range(2)]
    refused = caller.get(path)
    assert (refused.status_code, refused["Retry-After"]) == (429, "5")
    assert refused.json()["error"]["code"] == "too_many_downloads"
    assert caller.get(f"{path}&limit=2").status_code == 200
    for answer in held:
        b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert caller.get(path).status_code == 200


def test_the_trail_says_what_was_asked_of_a_file_without_secrets_and_places(acme: Workspace) -> None:
    _, secret = a_key(acme)
    caller = caller_of_member(a_member(acme, "owner"))
    for cursor in ("one", "two"):
        asked = RequestFactory().get("/usage", {"start": "b", "cursor": cursor, "key": secret, "end": "a\0"})
        limited_download(asked, caller, lambda: HttpResponse(b"file"))
    (entry,) = AuditEntry.objects.filter(action="file.downloaded")
    assert entry.detail == {"query": {"end": ["a"], "key": ["omx_live_[removed]"], "start": ["b"]}}


def test_a_caller_who_asks_for_ever_other_files_does_not_fill_the_trail(acme: Workspace, monkeypatch: Any) -> None:
    """After so many of a day one entry says that more came; a colleague's are seen all the same."""
    monkeypatch.setattr(files, "MOST_DOWNLOADS", 3)
    caller, colleague = (caller_of_member(a_member(acme, role)) for role in ("owner", "admin"))
    others_came = False
    for number in (1, 2, 1, 3, 2, 4, 5, 2):
        asked = RequestFactory().get("/usage", {"start": str(number)})
        limited_download(asked, caller, lambda: HttpResponse(b"file"))
        entries.forget_seen()  # as another process
        assert AuditEntry.objects.filter(target="others").exists() == (number > 3 or others_came)
        others_came = number > 3 or others_came
    limited_download(RequestFactory().get("/usage", {"start": "4"}), colleague, lambda: HttpResponse(b"file"))
    found = AuditEntry.objects.filter(action="file.downloaded").order_by("pk")
    assert [(entry.actor, entry.target, entry.workspace, entry.detail) for entry in found] == [
        *((caller.actor, "/usage", acme, {"query": {"start": [start]}}) for start in "123"),
        (caller.actor, "others", acme, {"most": 3}),
        (colleague.actor, "/usage", acme, {"query": {"start": ["4"]}}),
    ]
