"""What is refused of strangers leaves a line in the log, and no traceback that would hide our own faults."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from django.test import Client

from omixa_billing.log_lines import RefusalsInOneLine


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    [handler] = [
        each
        for each in logging.getLogger().handlers
        if isinstance(each, logging.StreamHandler) and any(isinstance(one, RefusalsInOneLine) for one in each.filters)
    ]
    written = io.StringIO()
    before = handler.setStream(written)
    yield written
    handler.setStream(before)


@pytest.mark.parametrize(
    ("address", "host", "logger"),
    [
        ("/healthz/nothing", "[::::]:99999", "django.security.DisallowedHost"),
        ("/models?" + "&".join(f"a{at}=1" for at in range(1_001)), "127.0.0.1", "django.security.TooManyFieldsSent"),
        ("/models?q=a%00b", "127.0.0.1", "django.request"),
    ],
)
def test_a_refusal_is_one_line_of_warning(
    client: Client, db: None, logged: io.StringIO, address: str, host: str, logger: str
) -> None:
    assert client.get(address, headers={"host": host}).status_code == 400
    [line] = [entry for entry in map(json.loads, logged.getvalue().splitlines()) if entry["logger"] == logger]
    assert (line["level"], "exception" in line) == ("warning", False)


def test_an_error_of_ours_keeps_its_traceback(logged: io.StringIO) -> None:
    try:
        raise ValueError("a fault")
    except ValueError:
        logging.getLogger("django.request").exception("Internal Server Error: /keys")
    line = json.loads(logged.getvalue())
    assert (line["level"], "ValueError: a fault" in line["exception"]) == ("error", True)
