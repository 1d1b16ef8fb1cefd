"""The books of a workspace up to now, for balances and previews: without reading again what is billed and has not changed.

They are what reading everything would give, but for months before `start` of which nothing is left to bill. Invoices are
never made of them: closing reads all rollups, and `reconcile` proves that what was settled agrees with them.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from metering.invoicing.composing.books import Books
from metering.invoicing.composing.compose import lines_and_terms
from metering.invoicing.composing.discounts_and_minimums import committed_months
from metering.invoicing.composing.fee_lines import months_with_fees
from metering.invoicing.composing.lines import LineKey, Quantities, used
from metering.invoicing.composing.read import Basis, books_on, read_basis_and
from metering.invoicing.models import Invoice
from metering.periods import Period, month_of, previous_month
from metering.rollups.models import SettledUsage
from metering.rollups.settled_usage import SETTLED, settled_from, settled_of, settled_through, store_settled
from workspaces.models import Workspace


def books_until_now(workspace: Workspace, now: datetime) -> Books:
    """Up to the end of the running month. Stores what it adds up, unless a worker is changing it."""
    end, through = month_of(now).end, settled_through(now)
    basis, (rows,) = read_basis_and([workspace], [SETTLED])
    settled = settled_from(rows) if through else None
    if through is None or workspace.sandbox:
        return _whole(basis, end)
    if settled is not None and settled.basis == basis.fingerprint(workspace.pk) and settled.until <= through:
        if settled.through < through:
            store_settled(workspace.pk, lambda: _more(settled, workspace, through))
        return _books_from(settled, basis, end)
    found: list[Books] = []
    store_settled(workspace.pk, lambda: _all(basis, through, end, found))
    return found[0] if found else _whole(basis, end)


def months_to_close(books: Books, now: datetime) -> list[Period]:
    """Ended months of the workspace that are to be billed, oldest first, as `due_months` has them: as far as they matter."""
    running = month_of(now)
    last = max((each.month for each in books.invoices if each.stands), default=None)
    void = {each.month for each in books.invoices if each.status == Invoice.Status.VOID}
    ended = {key.month for key in books.used} | {*committed_months(books.pricing, books.start, running)}
    ended |= months_with_fees(books.fees, books.manual_lines, running.start)
    ended |= {previous_month(running).start} if books.used or books.fees or books.manual_lines else set()
    due = {month for month in ended - void if last is None or month > last}
    due |= {each.month for each in books.invoices if each.status == Invoice.Status.DRAFT}
    return [month_of(month) for month in sorted(due) if month < running.start]


def _whole(basis: Basis, end: datetime) -> Books:
    (workspace,) = basis.workspaces
    return books_on(basis, {workspace.pk: used(workspace, None, end)}, end)[workspace.pk]


def _books_from(settled: SettledUsage, basis: Basis, end: datetime) -> Books:
    (workspace,) = basis.workspaces
    quantities = parsed(settled.sums)
    for key, tokens in used(workspace, settled.through, end).items():
        quantities[key] = quantities.get(key, 0) + tokens
    return books_on(basis, {workspace.pk: quantities}, end, settled.until)[workspace.pk]


def _more(settled: SettledUsage, workspace: Workspace, through: datetime) -> dict[str, Any]:
    """A day that is settled since. Read again under the lock: a worker may have taken it back meanwhile."""
    current = settled_of(workspace.pk)
    if current is None or current.through >= through:
        return {}
    sums = parsed(current.sums)
    for key, tokens in used(workspace, current.through, through).items():
        sums[key] = sums.get(key, 0) + tokens
    settled.until, settled.through, settled.sums = current.until, through, _as_json(sums)
    return {"through": through, "sums": settled.sums}


def _all(basis: Basis, through: datetime, end: datetime, found: list[Books]) -> dict[str, Any]:
    books = _whole(basis, end)
    found.append(books)
    workspace = books.workspace
    until = min(first_open_month(books, end), month_of(through).start)
    sums = used(workspace, until, through) if until < through else {}
    fingerprint = basis.fingerprint(workspace.pk)
    return {"until": until, "through": max(through, until), "sums": _as_json(sums), "basis": fingerprint}


def first_open_month(books: Books, end: datetime) -> datetime:
    """The first of which something is left to bill, drafts and what waits for its reissue included; at most the running one."""
    without_drafts = [each for each in books.invoices if each.status != Invoice.Status.DRAFT]
    running = previous_month(month_of(end))
    lines, _, _ = lines_and_terms(replace(books.as_reissued(), invoices=without_drafts), running, None)
    return min([running.start, *books.waiting_months(), *(line.period.start for line in lines)])


def _as_json(quantities: Quantities) -> list[list[Any]]:
    return [[key.month.isoformat(), *key[1:], tokens] for key, tokens in quantities.items()]


def parsed(sums: list[list[Any]]) -> Quantities:
    """Quantities as `SettledUsage` keeps them."""
    months: dict[str, datetime] = {}
    return {
        LineKey(months.setdefault(month, datetime.fromisoformat(month).astimezone(UTC)), *what): tokens
        for month, *what, tokens in sums
    }
