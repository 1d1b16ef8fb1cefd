"""What is owed to customers, and paying it out by a transfer: surpluses, withdrawn credit, refunds that failed, and corrections
that wait.

A correction of a paid month waits for the next invoice. Who leaves gets none: a credit note then gives it back, and settles it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from metering.checked_inputs import checked_amount, checked_reference, refuse_repeated_reference
from metering.credits.models import CreditGrant
from metering.errors import NothingToCredit
from metering.ingest.models import EventCorrection
from metering.invoicing.composing.books import ItemKey, item_of
from metering.invoicing.composing.lines import DraftLine
from metering.invoicing.credit_notes.creditable import creditable
from metering.invoicing.credit_notes.issue import plan_credit_note
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.credit_notes.settled_adjustments import pending_adjustment, pending_lines
from metering.invoicing.lifecycle.draft import line_key
from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.journal.models import JournalBalance
from metering.money import ONE_CENT, WIDE, cents_text, share_out
from metering.payments.booked import left_of_surplus, left_owed_for
from metering.payments.models import Payment, Refund
from metering.payments.refunds.credit_refunds import owed_credit, pay_out_credit
from metering.payments.refunds.models import Payout
from metering.payments.refunds.refunds import begin_refund, refundable_amount
from metering.payments.refunds.reversals import issue_credit_note, missing_of, returnable_of
from omixa_billing.api.errors import Refusal
from workspaces import audit
from workspaces.locks import lock_workspace
from workspaces.models import Workspace

NOTHING = Decimal("0.00")
REASON = "Paid out"
OWED = (JournalAccount.OWED_TO_CUSTOMER, JournalAccount.SURPLUS)


@dataclass(frozen=True, slots=True)
class OwedCorrection:
    """What is pending of a paid invoice's month: before tax by line, and what goes back with tax."""

    invoice: Invoice
    amounts: dict[str, Decimal]
    gross: Decimal


@dataclass(frozen=True, slots=True)
class OwedToCustomer:
    """What is owed, in whole cents: surplus payments, payments of which credit was withdrawn, credit notes whose refunds
    failed, bought credit that no payment is behind or that is left in a closed workspace, and corrections of paid months.
    """

    workspace: Workspace
    surpluses: list[tuple[Payment, Decimal]]
    withdrawals: list[tuple[Payment, Decimal]]
    missing: list[tuple[CreditNote, Decimal]]
    credits: list[tuple[CreditGrant, Decimal]]
    corrections: list[OwedCorrection]

    @property
    def surplus(self) -> Decimal:
        return sum((left for _, left in self.surpluses), NOTHING)

    @property
    def withdrawn(self) -> Decimal:
        return sum((left for _, left in self.withdrawals), NOTHING)

    @property
    def failed(self) -> Decimal:
        return sum((amount for _, amount in self.missing), NOTHING)

    @property
    def credit(self) -> Decimal:
        return sum((amount for _, amount in self.credits), NOTHING)

    @property
    def corrected(self) -> Decimal:
        return sum((each.gross for each in self.corrections), NOTHING)

    @property
    def total(self) -> Decimal:
        return self.surplus + self.withdrawn + self.failed + self.credit + self.corrected


def owed_to(workspace: Workspace) -> OwedToCustomer:
    """What the workspace would get if it left now, beside its credit. Money in its own currency only."""
    failed = Refund.objects.filter(credit_note__invoice__workspace=workspace, status=Refund.Status.FAILED)
    of_failed = set(failed.order_by().values_list("credit_note_id", flat=True))
    notes = CreditNote.objects.filter(pk__in=of_failed).select_related("invoice")
    payments = list(_owed_payments(workspace))
    return OwedToCustomer(
        workspace,
        [(payment, surplus) for payment, surplus, _ in payments if surplus],
        [(payment, withdrawn) for payment, _, withdrawn in payments if withdrawn],
        [(each, missing) for each in notes.order_by("pk") if (missing := missing_of(each)) > 0],
        owed_credit(workspace),
        list(_corrections(workspace)),
    )


def _owed_payments(workspace: Workspace) -> Iterator[tuple[Payment, Decimal, Decimal]]:
    """Payments of which something settles nothing, or for which something is owed because what they had bought was taken back,
    with both amounts: as far as it did not go back.
    """
    owed = JournalBalance.objects.filter(workspace=workspace, account__in=OWED, balance__lt=0).exclude(part="")
    payments = Payment.objects.filter(public_id__in=owed.values("part"), currency=workspace.currency)
    for payment in payments.order_by("pk"):
        free = refundable_amount(payment)
        surplus = min(left_of_surplus(payment), free)
        yield payment, surplus, min(left_owed_for(payment), free - surplus)


def owed_to_customers() -> list[OwedToCustomer]:
    """What is owed to every workspace that is owed something, in their order."""
    failed = Refund.objects.filter(status=Refund.Status.FAILED, credit_note__isnull=False)
    paid = set(_owners(Invoice.objects.filter(status=Invoice.Status.PAID)))
    corrected = paid.intersection(_owners(EventCorrection.objects.all()))
    kept = JournalBalance.objects.filter(account__in=OWED, part="", balance__lt=0)
    candidates = {*_owners(failed, "payment__workspace_id"), *_owners(kept), *corrected}
    candidates |= set(_owners(Workspace.objects.filter(closed_at__isnull=False), "pk"))
    workspaces = Workspace.objects.filter(pk__in=candidates, sandbox=False).order_by("pk")
    return [owed for each in workspaces if (owed := owed_to(each)).total > 0]


def _owners(rows: QuerySet[Any], name: str = "workspace_id") -> QuerySet[Any, Any]:
    """The primary keys of their workspaces, each once."""
    return rows.order_by().values_list(name, flat=True).distinct()


def pay_out(workspace: Workspace, amount: Decimal, reference: str, actor: str, now: datetime) -> Payout:
    """Records that `amount` of what is owed to the workspace was sent by a transfer, which `reference` finds.

    Surpluses first, then withdrawn credit, then what refunds failed to give back, then other credit, then corrections, by
    credit notes that settle them. Raises InvalidParameter, and NothingToCredit for more than is owed or for a transfer that
    was recorded before.
    """
    reference = checked_reference(reference, "transfer")
    checked_amount(amount)
    with transaction.atomic():
        workspace = lock_workspace(workspace.pk)
        refuse_repeated_reference(Payout.objects.filter(workspace=workspace), reference, "payout")
        owed = owed_to(workspace)
        if amount > owed.total:
            raise NothingToCredit(
                f"{cents_text(owed.total)} are owed to {workspace}, not {cents_text(amount)}.", param="amount"
            )
        made = Payout.objects.create(
            workspace=workspace,
            amount=amount,
            currency=workspace.currency,
            reference=reference,
            settled=list(_settle(owed, amount, reference, actor, now)),
            paid_at=now,
            paid_by=actor,
        )
        details = {"amount": cents_text(amount), "reference": reference, "settled": made.settled}
        audit.record(actor, "payout.recorded", made.public_id, workspace, now=now, **details)
        return made


def _settle(owed: OwedToCustomer, rest: Decimal, reference: str, actor: str, now: datetime) -> Iterator[str]:
    """Ids of what the payout settled, until the amount is used up."""
    for payment, left in [*owed.surpluses, *owed.withdrawals]:
        if part := min(left, rest):
            yield begin_refund(payment.pk, part, REASON, actor, now, reference=reference, outside=True).public_id
            rest -= part
    for note, missing in owed.missing:
        wanted = min(missing, rest)
        for payment, left in returnable_of(note.invoice).by_stripe if wanted else []:
            if part := min(left, wanted):
                yield begin_refund(payment.pk, part, note.reason, actor, now, note, reference, outside=True).public_id
                rest, wanted = rest - part, wanted - part
    for grant, left in owed.credits:
        if part := min(left, rest):
            yield from pay_out_credit(grant, part, REASON, reference, actor, now)
            rest -= part
    for each in owed.corrections:
        if rest <= 0:
            return
        amounts = each.amounts if rest >= each.gross else _part_of(each, rest)
        outside = CreditNote.Settlement.OUTSIDE
        note = issue_credit_note(each.invoice.pk, amounts, "Correction of usage", outside, actor, now, reference)
        yield note.public_id
        rest -= note.given_back
    if rest:
        raise NothingToCredit(f"{cents_text(rest)} of it cannot be paid out.", param="amount")


def _corrections(workspace: Workspace) -> Iterator[OwedCorrection]:
    paid = list(workspace.invoices.filter(status=Invoice.Status.PAID).order_by("period_start"))
    pending = pending_lines(workspace, paid[-1].period_end) if paid else ()
    for invoice in paid:
        amounts = _amounts_of(invoice, pending)
        if not amounts:
            continue
        try:
            back = plan_credit_note(invoice, amounts).given_back
        except Refusal:
            continue  # credit notes gave it back already
        gross = min(back, returnable_of(invoice).money)
        if gross == back:
            yield OwedCorrection(invoice, amounts, gross)


def _amounts_of(invoice: Invoice, pending: Sequence[DraftLine]) -> dict[str, Decimal]:
    """What is pending, on the lines that billed it, each at most what is left of it."""
    found = pending_adjustment(invoice, pending)
    if found is None:
        return {}
    whole = sum((line.amount_exact for line in found.lines), Decimal(0))
    exact = [WIDE.divide(WIDE.multiply(found.net, line.amount_exact), whole) for line in found.lines]
    shares: dict[ItemKey, Decimal] = defaultdict(Decimal)
    for pending_line, share in zip(found.lines, share_out(found.net, exact), strict=True):
        shares[item_of(pending_line.key)] += share
    left, amounts = creditable(invoice), {}
    for line, most in left.lines:
        item = item_of(line_key(line))
        part = min(most, shares[item])
        if part > 0:
            amounts[line.public_id] = part
            shares[item] -= part
    return amounts if sum(amounts.values(), NOTHING) <= left.net else {}


def _part_of(each: OwedCorrection, gross: Decimal) -> dict[str, Decimal]:
    """Amounts of which exactly `gross` goes back, tax included. Raises NothingToCredit where no whole cents do."""
    net = sum(each.amounts.values(), NOTHING)
    guess = (net * gross / each.gross).quantize(ONE_CENT)
    for cents in (0, -1, 1, -2, 2):
        amounts = _up_to(each.amounts, guess + cents * ONE_CENT)
        if amounts and plan_credit_note(each.invoice, amounts).given_back == gross:
            return amounts
    raise NothingToCredit(
        f"{cents_text(gross)} cannot be paid out of {each.invoice}: no amount in whole cents comes to that with its tax. Pay "
        f"out {cents_text(each.gross)}.",
        param="amount",
    )


def _up_to(amounts: dict[str, Decimal], most: Decimal) -> dict[str, Decimal]:
    found = {}
    for line, amount in amounts.items():
        if part := min(amount, most):
            found[line] = part
            most -= part
    return found
