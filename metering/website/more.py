"""Lists that grow by "Load more": the address keeps how many rows are on the page, so that Back and reload show them all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

from django.http import QueryDict

from omixa_billing.api.errors import InvalidParameter

Position = TypeVar("Position")

PAGE = 50
MOST = 1_000  # rows that a reload shows again; what follows is loaded page by page as before


@dataclass(frozen=True)
class More(Generic[Position]):
    """What an address asks of a list: from which position, how many rows, and how many are on the page already."""

    after: Position | None
    count: int
    before: int

    def links(self, query: str, cursor: str) -> dict[str, str]:
        """Queries of the next rows after `cursor`, and of the page as it is once they are there. `query` is the rest of it."""
        rows = self.before + self.count
        rest = f"{query}&" if query else ""
        grown = {"rows": min(rows + PAGE, MOST)}
        return {
            "next": f"{rest}{urlencode({'cursor': cursor, 'rows': rows})}",
            "grown": f"{rest}{urlencode(grown)}",
        }


def more_of(query: QueryDict, position_of: Callable[[str], Position]) -> More[Position]:
    """Read from a page's address; `position_of` reads its cursor, and raises InvalidParameter for one that is none.

    Such a one starts at the top; a number that is none counts as one page.
    """
    cursor = query.get("cursor")
    try:
        after = position_of(str(cursor)) if cursor else None
    except InvalidParameter:
        after = None
    rows = _rows(query.get("rows", ""))
    return More(None, max(rows, PAGE), 0) if after is None else More(after, PAGE, max(rows, PAGE))


def _rows(text: str) -> int:
    return min(int(text), MOST) if text.isascii() and text.isdigit() and len(text) < 10 else PAGE
