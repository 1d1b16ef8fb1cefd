"""One truth for every reader: whatever was used and however it is asked, the parts add up to the whole, to the last digit.

`DEEP=1 pytest tests/usage/test_adding_up.py` searches deeper, and from another seed each time.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.db import transaction
from hypothesis import assume, given, note
from hypothesis import strategies as st
from rest_framework.test import APIClient

from tests.kit.billing import at
from tests.kit.depth import search
from tests.kit.factories import NOW, forget_names, make_price
from tests.kit.tenants import Sender, Tenant, another_key

GROUPS = ("model", "key_id", "service_tier", "provider", "status")
BUCKETS = ("hour", "day", "month", "none")
TOKENS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
COUNTS = ("requests", *TOKENS, "unpriced_requests")
EXACT = Context(prec=80)

EDGES = [at(text) for text in ("08-31T23:00", "09-01T00:00", "09-14T09:00", "09-30T23:00", "10-01T00:00", "10-15T11:00")]
NEARBY = [timedelta(microseconds=-1), timedelta(0), timedelta(microseconds=1), timedelta(minutes=30), timedelta(hours=1)]
instants = st.builds(lambda edge, by: min(edge + by, NOW), st.sampled_from(EDGES), st.sampled_from(NEARBY))
tokens = st.one_of(st.sampled_from([0, 1, 200_000, 200_001]), st.integers(0, 2**31 - 1))


@st.composite
def usages(draw: st.DrawFn) -> dict[str, Any]:
    """As OpenAI reports it; cached input is a part of input, reasoning of output."""
    input, output = draw(st.integers(0, 2**30)), draw(tokens.filter(lambda count: count <= 2**30))
    cached, reasoning = draw(st.integers(0, input)), draw(st.integers(0, output))
    return {
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


@st.composite
def sent_events(draw: st.DrawFn) -> dict[str, Any]:
    """An event but for its key, drawn by its number."""
    status = draw(st.sampled_from(["succeeded", "succeeded", "aborted", "failed"]))
    return {
        "key": draw(st.integers(0, 1)),
        "occurred_at": draw(instants).isoformat(),
        "model": draw(st.sampled_from(["codex-mini", "codex-mini", "long", "unpriced"])),
        "service_tier": draw(st.sampled_from([None, "priority", "flex"])),
        "provider": draw(st.sampled_from([None, "azure-openai", 'a,b\n"c"'])),
        "status": status,
        "usage": draw(usages()) if status != "failed" else None,
    }


@dataclass(frozen=True)
class Asked:
    """A question: half-open range, filters, groups in an order, and who asks: an admin key or the first live key."""

    start: datetime
    end: datetime
    filters: dict[str, list[str]]
    group_by: list[str]
    live: bool

    def query(self, **more: Any) -> dict[str, Any]:
        within = {"start": self.start.isoformat(), "end": self.end.isoformat()}
        return within | self.filters | more


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    start, end = draw(st.one_of(*[st.just((EDGES[0], NOW))] * 3, st.tuples(instants, instants).map(sorted)))
    assume(start < end)
    values = {
        "model": ["codex-mini", "long", "unpriced", "never"],
        "key_id": ["0", "1"],
        "service_tier": ["default", "priority", "flex"],
        "provider": ["azure-openai", 'a,b\n"c"', ""],
        "status": ["succeeded", "aborted", "failed"],
    }
    live = draw(st.booleans())
    if live:
        values["key_id"] = ["0"]
    names = draw(st.lists(st.sampled_from(GROUPS), unique=True, max_size=2))
    most = {name: st.lists(st.sampled_from(of), unique=True, min_size=max(1, len(of) - 1)) for name, of in values.items()}
    filters = {name: draw(most[name]) for name in names}
    return Asked(start, end, filters, draw(st.lists(st.sampled_from(GROUPS), unique=True)), live)


@pytest.mark.django_db
@given(events=st.lists(sent_events(), min_size=4, max_size=10), asked=questions(), between=instants)
@search(12, 300)
def test_parts_add_up_to_the_whole(
    acme: Tenant, rival: Tenant, send: Sender, events: list[dict[str, Any]], asked: Asked, between: datetime
) -> None:
    with transaction.atomic():
        forget_names()
        reader = Reader(acme, rival, send, events, asked)
        by_bucket = {bucket: reader.usage(bucket=bucket) for bucket in BUCKETS}
        total = by_bucket["none"]["total"]
        note(f"total {total}")
        for answer in by_bucket.values():
            assert answer["total"] == total
            assert sums(answer["data"]) == sums([total])
        reader.check_buckets(by_bucket)
        reader.check_groups(by_bucket["day"], total)
        reader.check_halves(between, total)
        reader.check_csv(by_bucket["day"])
        reader.check_events(events, total)
        transaction.set_rollback(True)


class Reader:
    """What was sent, in two workspaces of which only one is asked about, and the answers of the usage API."""

    def __init__(self, acme: Tenant, rival: Tenant, send: Sender, events: list[dict[str, Any]], asked: Asked) -> None:
        make_price()
        make_price(tier="priority", input="0.000001", output="99.999999", cached_input=None)
        make_price(model="long", input="1.1", output="7.7")
        make_price(model="long", input="2.2", output="9.9", above_input_tokens=200_000)
        keys = [acme.key, another_key(acme)[0]]
        ids = [key.public_id for key in keys]
        self.client: APIClient = acme.live if asked.live else acme.admin
        self.mine = ids[:1] if asked.live else ids
        numbers = asked.filters.get("key_id", [])
        named = {"key_id": [ids[int(number)] for number in numbers]} if numbers else {}
        self.asked = Asked(asked.start, asked.end, asked.filters | named, asked.group_by, asked.live)
        self.sent = [
            send.event(keys[each["key"]], datetime.fromisoformat(each["occurred_at"]), **_but(each, "key", "occurred_at"))
            for each in events
        ]
        send.batch(self.sent[::2])
        send.batch([*self.sent[1::2], *(each | {"key_id": rival.key.public_id} for each in self.sent)])

    def usage(self, **more: Any) -> Any:
        query = self.asked.query(group_by=self.asked.group_by) | more
        answer = self.client.get("/api/v1/usage", query)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def check_buckets(self, by_bucket: dict[str, Any]) -> None:
        """Hours add up to days, days to months, months to the whole, in each group."""
        starts = {"day": 10, "month": 7, "none": 0}  # of the text of an instant, what names the bucket
        for finer, coarser in pairwise(BUCKETS):
            named = [row | {"bucket": row["start"][: starts[coarser]]} for row in by_bucket[finer]["data"]]
            whole = [row | {"bucket": row["start"][: starts[coarser]]} for row in by_bucket[coarser]["data"]]
            by = ["bucket", *self.asked.group_by]
            assert folded(named, by) == folded(whole, by)
            assert len(folded(whole, by)) == len(whole)

    def check_groups(self, by_day: dict[str, Any], total: dict[str, Any]) -> None:
        """Leaving groups out one after the other only adds their rows together; with none the total is left."""
        for kept in range(len(self.asked.group_by)):
            fewer = self.usage(bucket="day", group_by=self.asked.group_by[:kept])
            by = ["start", "end", *self.asked.group_by[:kept]]
            assert folded(by_day["data"], by) == folded(fewer["data"], by)
            assert fewer["total"] == total

    def check_halves(self, between: datetime, total: dict[str, Any]) -> None:
        """A range cut anywhere is two that add up to it."""
        if not self.asked.start < between < self.asked.end:
            return
        halves = [self.usage(end=between.isoformat()), self.usage(start=between.isoformat())]
        assert sums(half["total"] for half in halves) == sums([total])

    def check_csv(self, by_day: dict[str, Any]) -> None:
        """CSV has the rows of JSON, and so have the pages."""
        query = self.asked.query(group_by=self.asked.group_by, bucket="day")
        text = b"".join(self.client.get("/api/v1/usage", query | {"format": "csv"})).decode()
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        assert rows == [{name: str(value) for name, value in row.items()} for row in by_day["data"]]
        assert self.pages("/api/v1/usage", query | {"limit": 2}) == by_day["data"]

    def check_events(self, events: list[dict[str, Any]], total: dict[str, Any]) -> None:
        """The events listed are those sent, whatever the format, and add up to the total."""
        listed = self.pages("/api/v1/usage/events", self.asked.query(limit=3))
        assert sorted(each["request_id"] for each in listed) == sorted(each["request_id"] for each in self.expected())
        assert sums(counted(listed)) == sums([total])
        lines = b"".join(self.client.get("/api/v1/usage/events", self.asked.query(format="ndjson"))).decode()
        assert [json.loads(line) for line in lines.split("\n") if line] == listed
        text = b"".join(self.client.get("/api/v1/usage/events", self.asked.query(format="csv"))).decode()
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        assert [(row["request_id"], row["cost"]) for row in rows] == [
            (each["request_id"], each["cost"] or "") for each in listed
        ]
        assert sums(counted(rows)) == sums([total])

    def expected(self) -> list[dict[str, Any]]:
        """Of what was sent, what the question is about, by plain comparison."""
        found = []
        for event in self.sent:
            shown = event | {name: event.get(name, value) for name, value in (("service_tier", "default"), ("provider", ""))}
            within = self.asked.start <= datetime.fromisoformat(event["occurred_at"]) < self.asked.end
            admitted = all(shown[name] in values for name, values in self.asked.filters.items())
            if within and admitted and event["key_id"] in self.mine:
                found.append(event)
        return found

    def pages(self, path: str, query: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.client.get(path, query | cursor).json()
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}


def counted(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events as rows of usage: each one request, unpriced where it has no cost."""
    return [
        event | {"requests": 1, "unpriced_requests": int(not event["cost"]), "cost": event["cost"] or "0"} for event in events
    ]


def sums(rows: Iterable[dict[str, Any]]) -> tuple[int | Decimal, ...]:
    counts, cost = dict.fromkeys(COUNTS, 0), Decimal(0)
    for row in rows:
        cost = EXACT.add(cost, Decimal(row["cost"]))
        for name in COUNTS:
            counts[name] += int(row[name])
    return (*counts.values(), cost)


def folded(rows: list[dict[str, Any]], by: list[str]) -> dict[tuple[str, ...], tuple[int | Decimal, ...]]:
    """The rows' sums, by what these fields name."""
    parts = defaultdict(list)
    for row in rows:
        parts[tuple(row[name] for name in by)].append(row)
    return {names: sums(part) for names, part in parts.items()}


def _but(mapping: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in names}
