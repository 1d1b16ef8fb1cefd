"""Lists that grow by "Load more": the address keeps how many rows are on the page, so that Back and reload show them all."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import QueryDict

from metering.usage.cursors import event_cursor, event_position
from metering.usage.events import EventPosition
from omixa_billing.api.errors import InvalidParameter

PAGE = 50
MOST = 1_000  # rows that a reload shows again; what follows is loaded page by page as before


@dataclass(frozen=True)
class More:
    """What an address asks of a list: from which position, how many rows, and how many are on the page already."""

    after: EventPosition | None
    count: int
    before: int

    def links(self, query: str, last: EventPosition) -> dict[str, str]:
        """Queries of the next rows after `last`, and of the page as it is once they are there. `query` is the rest of it."""
        rows = self.before + self.count
        rest = f"{query}&" if query else ""
        grown = {"rows": min(rows + PAGE, MOST)}
        return {
            "next": f"{rest}{urlencode({'cursor': event_cursor(last), 'rows': rows})}",
            "grown": f"{rest}{urlencode(grown)}",
        }


def more_of(query: QueryDict) -> More:
    """Read from a page's address. A cursor that is none starts at the top; a number that is none counts as one page."""
    cursor = query.get("cursor")
    try:
        after = event_position(str(cursor)) if cursor else None
    except InvalidParameter:
        after = None
    rows = _rows(query.get("rows", ""))
    return More(None, max(rows, PAGE), 0) if after is None else More(after, PAGE, max(rows, PAGE))


def _rows(text: str) -> int:
    return min(int(text), MOST) if text.isascii() and text.isdigit() and len(text) < 10 else PAGE
