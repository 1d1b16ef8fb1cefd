"""Proof that usage that was added up before for balances and previews is what the rollups say. Writes nothing."""

from collections.abc import Iterator
from typing import Any

from metering.invoicing.composing.lines import used
from metering.invoicing.lifecycle.current_books import parsed
from metering.rollups.models import SettledUsage


def settled_differences() -> Iterator[dict[str, Any]]:
    """In tokens, of each workspace that has some settled."""
    for settled in SettledUsage.objects.select_related("workspace").order_by("pk").iterator():
        expected = used(settled.workspace, settled.until, settled.through) if settled.until < settled.through else {}
        found = {key: tokens for key, tokens in parsed(settled.sums).items() if tokens}
        if found != expected:
            yield {
                "check": "settled_usage_is_the_rollups",
                "workspace_id": settled.workspace.public_id,
                "expected": str(sum(expected.values())),
                "found": str(sum(found.values())),
            }
