"""Agreeing on a fee, and adding a line by hand: checked in one place, and on the audit trail.

Invoices that are finalized keep what they print. What changes of their months is on the next invoice.
"""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Q

from metering.invoicing.fees.models import AgreedFee, ManualLine, RecurringFee
from metering.limits.changed import note_change
from metering.money import cents_text, is_whole_cents
from metering.periods import Period, floor_day
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.instants import FIRST_INSTANT, LAST_INSTANT
from workspaces import audit
from workspaces.closed import refuse_closed
from workspaces.locks import lock_workspace
from workspaces.models import Workspace

MOST = Decimal("1000000000.00")
MOST_SEATS = 1_000_000
LONGEST_TEXT = 300


@transaction.atomic
def set_fee(
    workspace: Workspace,
    name: str,
    monthly: Decimal,
    seats: int | None,
    effective_from: datetime,
    ends_at: datetime | None,
    actor: str,
    now: datetime,
) -> AgreedFee:
    """The fee of this name costs `monthly`, for each of the `seats` if there are any, from one day until before another.

    What was agreed from an earlier day on holds until then; what was agreed from the same day on is replaced, and what
    begins later still begins. 0.00 ends it. Raises InvalidParameter, WorkspaceClosed.
    """
    held = lock_workspace(workspace.pk)
    _check_invoiced(held)
    refuse_closed(held)
    name = _checked_text(name, "name", 100)
    _check_cents(monthly, "monthly")
    if monthly < 0:
        raise InvalidParameter("A fee is not below zero: a manual line gives something back.", param="monthly")
    if seats is not None and not 0 <= seats <= MOST_SEATS:
        raise InvalidParameter(f"The number of seats is from 0 to {MOST_SEATS:,}.", param="seats")
    _check_day(effective_from, "from")
    if ends_at is not None:
        _check_day(ends_at, "until")
        if ends_at <= effective_from:
            raise InvalidParameter("A fee ends after the day it begins.", param="until")
    fee, _ = RecurringFee.objects.get_or_create(workspace=held, name=name)
    before = AgreedFee.objects.filter(fee=fee, effective_from=effective_from).first()
    values = {"ends_at": ends_at, "monthly": monthly, "seats": seats}
    agreed, _ = AgreedFee.objects.update_or_create(fee=fee, effective_from=effective_from, defaults=values)
    was, is_now = None if before is None else _facts(before), _facts(agreed)
    if was != is_now:
        audit.record(actor, "fee.set", fee.public_id, held, now=now, name=name, before=was, after=is_now)
        note_change(held.pk, now)
    return agreed


@transaction.atomic
def add_line(workspace: Workspace, month: Period, amount: Decimal, text: str, actor: str, now: datetime) -> ManualLine:
    """Bills `amount` once as the month's, or gives it back if it is below zero; it is taxed as the month is.

    Raises WorkspaceClosed, and InvalidParameter, also for the same line again: a caller who got no answer may ask twice.
    """
    held = lock_workspace(workspace.pk)
    _check_invoiced(held)
    refuse_closed(held)
    text = _checked_text(text, "text", LONGEST_TEXT)
    _check_cents(amount, "amount")
    if not amount:
        raise InvalidParameter("A line amounts to at least one cent, above or below zero.", param="amount")
    if ManualLine.objects.filter(workspace=held, month=month.start, text=text, amount=amount).exists():
        raise InvalidParameter("This line was added before: say in the text of another one what it is for.", param="text")
    line = _add(held, month.start, amount, text, actor, now)
    note_change(held.pk, now)
    return line


def bring_lines_forward(workspace: Workspace, month: Period, actor: str, now: datetime) -> None:
    """What was to be billed of later months is billed as this one's: the locked workspace gets no later invoice.

    Each line is undone in its own month. A month whose lines come to nothing stays as it is.
    """
    later: dict[datetime, list[ManualLine]] = defaultdict(list)
    for line in ManualLine.objects.filter(workspace=workspace, month__gte=month.end).order_by("month", "pk"):
        later[line.month].append(line)
    for start, lines in later.items():
        for line in lines if sum(each.amount for each in lines) else ():
            text = f"{start:%B %Y}: {line.text}"[:LONGEST_TEXT]
            _add(workspace, start, -line.amount, line.text, actor, now)
            _add(workspace, month.start, line.amount, text, actor, now)


def _add(workspace: Workspace, month: datetime, amount: Decimal, text: str, actor: str, now: datetime) -> ManualLine:
    line = ManualLine.objects.create(workspace=workspace, month=month, text=text, amount=amount, created_at=now)
    what = {"month": f"{month:%Y-%m}", "text": text, "amount": cents_text(amount)}
    audit.record(actor, "line.added", line.public_id, workspace, now=now, **what)
    return line


def end_fees(workspace: Workspace, end: datetime, actor: str, now: datetime) -> None:
    """Every fee of the locked workspace ends before the day that begins then; what was agreed from later days on is gone."""
    last = AgreedFee.objects.filter(fee__workspace=workspace).filter(Q(ends_at__isnull=True) | Q(ends_at__gt=end))
    for agreed in last.select_related("fee").order_by("fee", "effective_from"):
        before, after = _facts(agreed), None
        if agreed.effective_from < end:
            agreed.ends_at = end
            agreed.save(update_fields=["ends_at"])
            after = _facts(agreed)
        else:
            agreed.delete()
        fee = agreed.fee
        audit.record(actor, "fee.set", fee.public_id, workspace, now=now, name=fee.name, before=before, after=after)


def _facts(agreed: AgreedFee) -> dict[str, object]:
    return {
        "from": f"{agreed.effective_from:%Y-%m-%d}",
        "until": None if agreed.ends_at is None else f"{agreed.ends_at:%Y-%m-%d}",
        "monthly": cents_text(agreed.monthly),
        "seats": agreed.seats,
    }


def _check_invoiced(workspace: Workspace) -> None:
    if workspace.sandbox:
        raise InvalidParameter("A sandbox is never invoiced.", param="workspace")


def _checked_text(text: str, param: str, most: int) -> str:
    found = " ".join(text.split())
    if not found:
        raise InvalidParameter(f"Say what the invoice prints: {param} is empty.", param=param)
    if len(found) > most or not found.isprintable():
        raise InvalidParameter(f"The {param} has at most {most} printable characters.", param=param)
    return found


def _check_cents(amount: Decimal, param: str) -> None:
    if not is_whole_cents(amount) or abs(amount) > MOST:
        raise InvalidParameter(f"{param.capitalize()} is an amount in whole cents, such as 100.00.", param=param)


def _check_day(instant: datetime, param: str) -> None:
    if instant != floor_day(instant):
        raise InvalidParameter(f"{param.capitalize()} is the beginning of a day in UTC.", param=param)
    if not FIRST_INSTANT <= instant < LAST_INSTANT:
        raise InvalidParameter(f"{param.capitalize()} is a day from 1970 to 2199.", param=param)
