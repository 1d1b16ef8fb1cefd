"""Answers that nobody reads: their reader is dropped, and what made them ends."""

from contextlib import closing
from http.client import HTTPConnection

import pytest

from tests.front.callers import Caller, ask, head, many
from tests.front.conftest import Live
from tests.front.everyday import all_is_answered
from tests.front.usage import DAYS, EVENTS, wait_until

UNREAD = 40
DOWNLOADS = ["/api/v1/usage/events?format=csv&", "/api/v1/usage/events?format=ndjson&"]
BUSY = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'pages' AND (state <> 'idle' OR backend_xmin IS NOT NULL)
"""


def download(live: Live, path: str) -> bytes:
    return head("GET", path + DAYS, Authorization=f"Bearer {live.live_key}")


@pytest.mark.parametrize("path", DOWNLOADS)
def test_downloads_that_nobody_reads_stop_nobody_else_and_end(much_usage: Live, path: str) -> None:
    live = much_usage
    with many(live.port, UNREAD, lambda _: download(live, path), reads=False) as callers:
        all_is_answered(live)
        assert all(caller.is_dropped() for caller in callers)
        wait_until(lambda: live.instance.query(BUSY) == [(0,)])


def test_a_download_that_is_read_is_whole(much_usage: Live) -> None:
    """The client raises where the last chunk is missing."""
    live = much_usage
    with closing(HTTPConnection("127.0.0.1", live.port, timeout=60)) as connection:
        connection.request("GET", DOWNLOADS[1] + DAYS, headers={"Authorization": f"Bearer {live.live_key}"})
        received = connection.getresponse().read()
    assert received.count(b'"much-') == EVENTS


def test_an_answer_of_a_page_process_that_dies_is_not_taken_for_a_whole_one(much_usage: Live) -> None:
    live = much_usage
    with Caller(live.port, reads=False) as caller:
        caller.send(download(live, DOWNLOADS[1]).replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n"))
        begin = caller.socket.recv(1)
        live.instance.kill("pages")
        received = begin + caller.read_all()
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert not received.endswith(b"\r\n0\r\n\r\n")
    wait_until(lambda: ask(live.port, "GET", "/accounts/login/").status == 200)
