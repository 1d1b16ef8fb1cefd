"""One request, and what its answer may never be, whatever was sent: an error of ours, dear, or large."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.core.signals import got_request_exception
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

MOST_QUERIES = 150  # the dearest page has 40 of them
MOST_BYTES = 4_000_000  # a list repeats its address in each of its links
# What any request may write, whatever becomes of it: who is signed in, what was refused, and that a form was sent.
BOOKKEEPING = ("django_session", "workspaces_auditentry", "workspaces_auditfold", "workspaces_sentform")
BOOKKEEPING += ("workspaces_sharedvalue", "account_", "usersessions_", "metering_settledusage")
WRITES = ("INSERT INTO ", "UPDATE ", "DELETE FROM ")


@dataclass
class Answered:
    """An answer, whole, and what is wrong with it."""

    response: HttpResponse
    content: bytes
    written: list[str]
    faults: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def is_page(self) -> bool:
        return self.status == 200 and self.response.headers.get("Content-Type", "").startswith("text/html")


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"logged: {record.name}: {record.getMessage()[:300]}")


@contextmanager
def _errors() -> Iterator[list[str]]:
    """What is logged as an error meanwhile, and every exception that no view was prepared for."""
    handler = _Errors()

    def unforeseen(**_: Any) -> None:
        error = sys.exc_info()[1]
        traceback = error.__traceback__ if error else None
        while traceback and traceback.tb_next:
            traceback = traceback.tb_next
        where = f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}" if traceback else ""
        handler.lines.append(f"raised: {type(error).__name__}: {str(error)[:200]} at {where}")

    logging.getLogger().addHandler(handler)
    got_request_exception.connect(unforeseen)
    try:
        yield handler.lines
    finally:
        logging.getLogger().removeHandler(handler)
        got_request_exception.disconnect(unforeseen)


def ask(client: Client, method: str, path: str, data: Any = None, **more: Any) -> Answered:
    """The answer to one request, after which everything is as it was before. `data` is a form, or bytes as they are."""
    with _errors() as faults, transaction.atomic(), CaptureQueriesContext(connection) as queries:
        if isinstance(data, dict):
            response = getattr(client, method.lower())(path, data, **more)
        else:
            response = client.generic(method, path, data or b"", **more)
        content = b"".join(response.streaming_content) if response.streaming else response.content
        transaction.set_rollback(True)
    if response.status_code >= 500:
        faults.append(f"answered {response.status_code}")
    if len(queries) > MOST_QUERIES:
        faults.append(f"{len(queries)} queries")
    if len(content) > MOST_BYTES:
        faults.append(f"{len(content)} bytes")
    return Answered(response, content, written(query["sql"] for query in queries.captured_queries), faults)


def written(statements: Iterable[str]) -> list[str]:
    """Those that write, without what was taken back: a form may be refused half way, and then nothing of it stays."""
    kept: list[str] = []
    marks: dict[str, int] = {}
    for sql in statements:
        if sql.startswith("SAVEPOINT "):
            marks[sql.removeprefix("SAVEPOINT ")] = len(kept)
        elif sql.startswith("ROLLBACK TO SAVEPOINT "):
            del kept[marks[sql.removeprefix("ROLLBACK TO SAVEPOINT ")] :]
        elif _is_act(sql):
            kept.append(sql)
    return kept


def _is_act(sql: str) -> bool:
    """Raw statements name their table without quotes."""
    table = sql.removeprefix("INSERT INTO ").removeprefix("UPDATE ").removeprefix("DELETE FROM ").lstrip('"')
    return sql.startswith(WRITES) and not table.startswith(BOOKKEEPING)
