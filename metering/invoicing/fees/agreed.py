"""Reads what was agreed about fees, and the manual lines."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from metering.invoicing.fees.models import AgreedFee, ManualLine
from metering.invoicing.fees.proration import FeeHistory, FeeSpan
from workspaces.models import Workspace


def fees_by_workspace(workspaces: Sequence[Workspace]) -> dict[int, list[FeeHistory]]:
    """The recurring fees of many workspaces, by their primary keys, each list in the order of names."""
    found: dict[int, list[FeeHistory]] = {each.pk: [] for each in workspaces}
    rows: dict[int, list[AgreedFee]] = defaultdict(list)
    agreed = AgreedFee.objects.filter(fee__workspace__in=list(found)).select_related("fee")
    for row in agreed.order_by("fee__name", "effective_from"):
        rows[row.fee_id].append(row)
    for several in rows.values():
        fee = several[0].fee
        found[fee.workspace_id].append(FeeHistory(fee.public_id, fee.name, spans_of(several)))
    return found


def fees_of(workspace: Workspace) -> list[FeeHistory]:
    return fees_by_workspace([workspace])[workspace.pk]


def spans_of(agreed: Sequence[AgreedFee]) -> list[FeeSpan]:
    """Each agreement holds until its end, or until the next one begins if that is earlier."""
    begins: list[datetime | None] = [each.effective_from for each in agreed]
    return [
        FeeSpan(each.effective_from, _earlier(each.ends_at, following), each.monthly, each.seats)
        for each, following in zip(agreed, [*begins[1:], None], strict=True)
    ]


def manual_lines_by_workspace(workspaces: Sequence[Workspace]) -> dict[int, list[ManualLine]]:
    """Those of many workspaces, by their primary keys, in the order in which they were added."""
    found: dict[int, list[ManualLine]] = {each.pk: [] for each in workspaces}
    for line in ManualLine.objects.filter(workspace__in=list(found)).order_by("pk"):
        found[line.workspace_id].append(line)
    return found


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)
