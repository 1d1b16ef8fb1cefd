"""The credit ledger: granting, using up, giving back and writing off. Amounts are whole cents in the grant's currency.

What moves a workspace's credits has locked its row (`workspaces/locks.py`), so that two never spend the same cent. What
adds to the balance or takes from it says so (`changed.py`); using credit up for an invoice and writing off expired credit do
not: the balance counted neither.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum

from metering.checked_inputs import checked_amount
from metering.credits.booked import HELD_AS, credit_movement
from metering.credits.models import CreditEntry, CreditGrant
from metering.journal.accounts import CREDITS
from metering.journal.balances import balance_of_account
from metering.journal.entries import Subaccount
from metering.journal.post import post, post_many
from metering.limits.changed import note_change
from metering.money import cents_text, from_smallest_unit
from metering.rows import columns_of, fetch_together, instances_of
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit
from workspaces.closed import refuse_closed
from workspaces.locks import lock_workspace
from workspaces.models import Workspace

NOTHING = Decimal("0.00")
MOST = Decimal("1000000000.00")
EXPIRY = "expiry"  # who acts when credit expires
# Promotional credit lowers what is taxed, and goes before what the customer paid for.
BEFORE_TAX = (CreditGrant.Kind.PROMOTIONAL,)
AFTER_TAX = (CreditGrant.Kind.GOODWILL, CreditGrant.Kind.PURCHASED)
ORDER_OF_USE = [*BEFORE_TAX, *AFTER_TAX]


# By the journal's balance of each: one row, however often it was used.
LEFT = f"""
SELECT {columns_of(CreditGrant, "given")}, -kept.balance FROM metering_journalbalance kept
JOIN metering_creditgrant given ON given.public_id = kept.part
WHERE kept.workspace_id = ANY(%(workspaces)s) AND kept.account IN ({", ".join(f"'{each}'" for each in CREDITS)})
  AND kept.part <> '' AND kept.balance < 0
"""  # noqa: S608 - columns


@dataclass(frozen=True, slots=True)
class Remaining:
    """A grant and what is left of it, above zero."""

    grant: CreditGrant
    left: Decimal


@dataclass(frozen=True, slots=True)
class Use:
    """So much of one grant, for one invoice."""

    grant: CreditGrant
    amount: Decimal


def grant(
    workspace: Workspace,
    kind: str,
    amount: Decimal,
    actor: str,
    now: datetime,
    *,
    expires_at: datetime | None = None,
    priority: int = 100,
    note: str = "",
    source: str | None = None,
    against: Subaccount | None = None,
) -> CreditGrant:
    """Credit for the workspace. The same `source` again gives the grant it made. Raises InvalidParameter, WorkspaceClosed.

    `against` says out of what bought credit is paid; without it the money came in a way that nothing here recorded.
    """
    if kind not in CreditGrant.Kind.values:
        raise InvalidParameter(f"A credit is one of {', '.join(CreditGrant.Kind.values)}.", param="kind")
    checked_amount(amount, most=MOST)
    if expires_at is not None and expires_at <= now:
        raise InvalidParameter("The credit would have expired already.", param="expires_at")
    with transaction.atomic():
        held = lock_workspace(workspace.pk)
        if source is None or kind != CreditGrant.Kind.PURCHASED:
            refuse_closed(held)  # but what comes back of what was paid is kept until it is paid out
        if source is not None and (made := CreditGrant.objects.filter(workspace=workspace, source=source).first()):
            return made
        made = CreditGrant.objects.create(
            workspace=workspace,
            kind=kind,
            amount=amount,
            currency=workspace.currency,
            priority=priority,
            expires_at=expires_at,
            note=note,
            source=source,
            granted_at=now,
            granted_by=actor,
        )
        _enter(made, CreditEntry.Kind.GRANT, amount, actor, now, against=against)
        note_change(workspace.pk, now)
        audit.record(
            actor, "credit.granted", made.public_id, workspace, now=now, kind=kind, amount=cents_text(amount), note=note
        )
        return made


def remaining_grants(workspace: Workspace) -> list[Remaining]:
    """What is left, in the order of use: promotional first, then goodwill, then purchased; sooner expiry, priority, age."""
    return remaining_by_workspace([workspace])[workspace.pk]


def remaining_by_workspace(workspaces: Sequence[Workspace]) -> dict[int, list[Remaining]]:
    """The same of many, by their primary keys."""
    asked = {"workspaces": [each.pk for each in workspaces]}
    (rows,) = fetch_together([LEFT], asked)
    return remaining_from(rows, workspaces)


def remaining_from(rows: Iterable[Sequence[Any]], workspaces: Iterable[Workspace]) -> dict[int, list[Remaining]]:
    """The same from the rows of LEFT."""
    found: dict[int, list[Remaining]] = {each.pk: [] for each in workspaces}
    lefts = [(instances_of(CreditGrant, [row])[0], row[-1]) for row in rows]
    for given, units in sorted(lefts, key=lambda each: _order_of_use(each[0])):
        found[given.workspace_id].append(Remaining(given, from_smallest_unit(units, given.currency)))
    return found


def spent_on_invoices(workspace: Workspace) -> Decimal:
    """Credit that invoices used and did not give back again."""
    entries = CreditEntry.objects.filter(workspace=workspace, invoice__isnull=False)
    used: Decimal = entries.aggregate(moved=Sum("amount"))["moved"] or NOTHING
    return -used


def remaining_of_grant(given: CreditGrant) -> Decimal:
    return balance_of_account(given.workspace_id, HELD_AS[CreditGrant.Kind(given.kind)], given.currency, given.public_id)


def remaining_after(lefts: Iterable[Remaining], uses: Iterable[Use]) -> list[Remaining]:
    """What would be left after the uses."""
    spent = {use.grant.pk: use.amount for use in uses}
    rest = [Remaining(each.grant, each.left - spent.get(each.grant.pk, NOTHING)) for each in lefts]
    return [each for each in rest if each.left > 0]


def drawn(uses: Iterable[Use]) -> Decimal:
    return sum((use.amount for use in uses), NOTHING)


def enter_uses_of_invoices(uses: Mapping[int, Iterable[Use]], actor: str, now: datetime) -> None:
    """Enters the uses by their invoice's primary key, in its finalizing transaction; few statements however many."""
    entered = CreditEntry.objects.bulk_create(
        CreditEntry(
            workspace_id=use.grant.workspace_id,
            grant=use.grant,
            kind=CreditEntry.Kind.CONSUMPTION,
            amount=-use.amount,
            invoice_id=invoice_id,
            at=now,
        )
        for invoice_id, uses_of_one in uses.items()
        for use in uses_of_one
    )
    if entered:
        moved = CreditEntry.objects.filter(pk__in=[entry.pk for entry in entered]).select_related("grant", "invoice")
        post_many([credit_movement(entry, actor) for entry in moved.order_by("pk")], now)


def reverse_uses(invoice_id: int, reason: str, actor: str, now: datetime) -> Decimal:
    """Reverses what the invoice used, once; the sum given back. What had expired meanwhile is written off by the next run."""
    used = CreditEntry.objects.filter(invoice=invoice_id, kind=CreditEntry.Kind.CONSUMPTION).select_related("grant")
    reversed_ = set(
        CreditEntry.objects.filter(invoice=invoice_id, kind=CreditEntry.Kind.REVERSAL).values_list("grant", flat=True)
    )
    given = NOTHING
    for entry in used:
        if entry.grant_id not in reversed_:
            _enter(entry.grant, CreditEntry.Kind.REVERSAL, -entry.amount, actor, now, invoice_id=invoice_id, reason=reason)
            given -= entry.amount
    if given:
        note_change(used[0].workspace_id, now)
    return given


def reverse(
    given: CreditGrant,
    reason: str,
    actor: str,
    now: datetime,
    amount: Decimal | None = None,
    against: Subaccount | None = None,
) -> Decimal:
    """Takes back what is left of a grant, or `amount` of it; the amount taken. Raises InvalidParameter.

    `against` says as what bought credit is owed from then on.
    """
    if not reason.strip():
        raise InvalidParameter("Say why the credit is taken back.", param="reason")
    with transaction.atomic():
        lock_workspace(given.workspace_id)
        left = remaining_of_grant(given)
        reversed_ = left if amount is None else amount
        if not 0 < reversed_ <= left:
            raise InvalidParameter(f"{cents_text(left)} are left of this credit, not {cents_text(reversed_)}.", param="amount")
        _enter(given, CreditEntry.Kind.REVERSAL, -reversed_, actor, now, reason=reason, against=against)
        note_change(given.workspace_id, now)
        audit.record(
            actor, "credit.reversed", given.public_id, given.workspace, now=now, amount=cents_text(reversed_), reason=reason
        )
        return reversed_


def restore(
    given: CreditGrant, amount: Decimal, reason: str, actor: str, now: datetime, against: Subaccount | None = None
) -> None:
    """Gives back what `reverse` took, with the grant's workspace held: the reason for taking it came to nothing."""
    _enter(given, CreditEntry.Kind.REVERSAL, amount, actor, now, reason=reason, against=against)
    note_change(given.workspace_id, now)


def write_off(given: CreditGrant, now: datetime) -> Decimal:
    """Enters the expiry of what is left of a grant, with its workspace held: again where credit came back after it expired."""
    left = remaining_of_grant(given)
    if left <= 0:
        return NOTHING
    _enter(given, CreditEntry.Kind.EXPIRY, -left, EXPIRY, now)
    return left


def _enter(
    given: CreditGrant,
    kind: str,
    amount: Decimal,
    actor: str,
    now: datetime,
    *,
    invoice_id: int | None = None,
    reason: str = "",
    against: Subaccount | None = None,
) -> None:
    entry = CreditEntry.objects.create(
        workspace_id=given.workspace_id, grant=given, kind=kind, amount=amount, invoice_id=invoice_id, reason=reason, at=now
    )
    post(credit_movement(entry, actor, against), now)


def _order_of_use(given: CreditGrant) -> tuple[object, ...]:
    never = given.expires_at is None
    kind = ORDER_OF_USE.index(CreditGrant.Kind(given.kind))
    return (kind, never, given.expires_at or given.granted_at, given.priority, given.granted_at, given.pk)
