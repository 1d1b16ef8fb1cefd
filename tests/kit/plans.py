"""The plans that PostgreSQL really runs."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext


def plans(act: Callable[[], object]) -> list[dict[str, Any]]:
    """Every node of the plans of the statements that `act` runs, as PostgreSQL ran them."""
    with CaptureQueriesContext(connection) as captured:
        act()
    nodes = []
    with connection.cursor() as cursor:
        for query in captured:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql']}")
            plan = cursor.fetchone()[0]
            nodes += list(_nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))
    return nodes


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)


def reads_of(nodes: list[dict[str, Any]], table: str) -> list[dict[str, Any]]:
    return [node for node in nodes if node.get("Relation Name", "").startswith(f"metering_{table}")]


def rows_read(nodes: list[dict[str, Any]]) -> int:
    """Rows that the scans met, whether let through or not."""
    per_loop = [(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in nodes]
    return round(sum(per_loop))
