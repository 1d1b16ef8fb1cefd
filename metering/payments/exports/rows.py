"""What the exports share: rows of texts, of one workspace or of all, read a thousand at a time."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from workspaces.models import Workspace

AT_ONCE = 1_000
Row = list[Any]


def of_workspace(rows: QuerySet[Any], workspace: Workspace | None, owner: str = "workspace") -> QuerySet[Any]:
    """Those of the workspace; None: of every one."""
    return rows if workspace is None else rows.filter(**{owner: workspace})


def some_at_once(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    """The rows in lists, so that what belongs to them is looked up for many together."""
    some: list[Any] = []
    for row in rows.iterator(AT_ONCE):
        some.append(row)
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some
