"""Reads what was agreed about fees, and the manual lines."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from metering.invoicing.fees.models import AgreedFee, ManualLine
from metering.invoicing.fees.proration import FeeHistory, FeeSpan
from metering.rows import columns_of, fetch_together, instances_of
from workspaces.models import Workspace

FEES = f"""
SELECT {columns_of(AgreedFee, "agreed")}, fee.workspace_id, fee.public_id, fee.name
FROM metering_agreedfee agreed JOIN metering_recurringfee fee ON fee.id = fee_id
WHERE fee.workspace_id = ANY(%(workspaces)s) ORDER BY fee.name, effective_from
"""  # noqa: S608 - columns
MANUAL_LINES = f"""
SELECT {columns_of(ManualLine, "line")} FROM metering_manualline line WHERE workspace_id = ANY(%(workspaces)s) ORDER BY id
"""  # noqa: S608 - columns


def fees_from(rows: Sequence[Sequence[Any]], workspaces: Sequence[Workspace]) -> dict[int, list[FeeHistory]]:
    """The recurring fees of each, by their primary keys, in the order of names: from the rows of FEES."""
    found: dict[int, list[FeeHistory]] = {each.pk: [] for each in workspaces}
    agreed: dict[tuple[int, str, str], list[AgreedFee]] = defaultdict(list)
    for each, row in zip(instances_of(AgreedFee, rows), rows, strict=True):
        owner, public_id, name = row[-3:]
        agreed[owner, public_id, name].append(each)
    for (owner, public_id, name), several in agreed.items():
        found[owner].append(FeeHistory(public_id, name, spans_of(several)))
    return found


def fees_of(workspace: Workspace) -> list[FeeHistory]:
    (rows,) = fetch_together([FEES], {"workspaces": [workspace.pk]})
    return fees_from(rows, [workspace])[workspace.pk]


def spans_of(agreed: Sequence[AgreedFee]) -> list[FeeSpan]:
    """Each agreement holds until its end, or until the next one begins if that is earlier."""
    begins: list[datetime | None] = [each.effective_from for each in agreed]
    return [
        FeeSpan(each.effective_from, _earlier(each.ends_at, following), each.monthly, each.seats)
        for each, following in zip(agreed, [*begins[1:], None], strict=True)
    ]


def manual_lines_from(rows: Sequence[Sequence[Any]], workspaces: Sequence[Workspace]) -> dict[int, list[ManualLine]]:
    """Those of each, by their primary keys, in the order in which they were added: from the rows of MANUAL_LINES."""
    found: dict[int, list[ManualLine]] = {each.pk: [] for each in workspaces}
    for line in instances_of(ManualLine, rows):
        found[line.workspace_id].append(line)
    return found


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)
