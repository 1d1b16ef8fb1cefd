"""What acts about invoices and credit notes are in the journal. The table of all acts is in docs/journal.md."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice, InvoiceLine
from metering.journal.accounts import JournalAccount
from metering.journal.entries import EntryDraft, Kind, Posting, Subaccount, between, credit, debit, opposite
from metering.journal.post import posted_under

REVENUE = {
    InvoiceLine.Kind.USAGE: JournalAccount.REVENUE_USAGE,
    InvoiceLine.Kind.ADJUSTMENT: JournalAccount.REVENUE_ADJUSTMENT,
    InvoiceLine.Kind.DISCOUNT: JournalAccount.DISCOUNT,
    InvoiceLine.Kind.MINIMUM: JournalAccount.REVENUE_MINIMUM,
    InvoiceLine.Kind.FEE: JournalAccount.REVENUE_FEES,
    InvoiceLine.Kind.MANUAL: JournalAccount.REVENUE_ONE_OFF,
}


def receivable_of(invoice: Invoice) -> Subaccount:
    return Subaccount(JournalAccount.RECEIVABLE, invoice.public_id)


def invoice_finalized(invoice: Invoice, lines: Iterable[tuple[str, Decimal]], actor: str, now: datetime) -> EntryDraft:
    """`lines` are the kind and the displayed amount of each. The credits that it uses are entries of their own."""
    owed = debit(JournalAccount.RECEIVABLE, invoice.subtotal + invoice.tax, invoice.public_id)
    return _about(invoice, Kind.INVOICE_FINALIZED, [owed, *_revenue(lines), *_taxes(invoice.taxes)], actor, now)


def invoice_voided(invoice: Invoice, actor: str, now: datetime) -> EntryDraft:
    """Takes back what finalizing posted, once the credits that it used are returned and a write-off is reversed."""
    finalized = posted_under(f"{Kind.INVOICE_FINALIZED}:{invoice.public_id}")
    return _about(invoice, Kind.INVOICE_VOIDED, opposite(finalized), actor, now)


def invoice_written_off(invoice: Invoice, actor: str, now: datetime) -> EntryDraft:
    """What is due is not expected any more. It may be written off, come back, and be written off another time."""
    bad_debt = Subaccount(JournalAccount.BAD_DEBT)
    lost = between(invoice.amount_due, debited=bad_debt, credited=receivable_of(invoice))
    return _about(invoice, Kind.WRITE_OFF, lost, actor, now, of=f"{now.timestamp()}")


def write_off_reversed(invoice: Invoice, amount: Decimal, because: str, actor: str, now: datetime) -> EntryDraft:
    """`amount` of an uncollectible invoice is owed after all; `because` is the public id of what shows it."""
    bad_debt = Subaccount(JournalAccount.BAD_DEBT)
    found = between(amount, debited=receivable_of(invoice), credited=bad_debt)
    return _about(invoice, Kind.WRITE_OFF_REVERSED, found, actor, now, of=because)


def credit_note_issued(note: CreditNote, lines: Iterable[tuple[str, Decimal]], actor: str, now: datetime) -> EntryDraft:
    """First it lowers what is due; the rest is owed to the customer until it went back."""
    invoice = note.invoice
    return EntryDraft(
        kind=Kind.CREDIT_NOTE,
        workspace_id=invoice.workspace_id,
        document=note.public_id,
        currency=note.currency,
        happened_at=now,
        actor=actor,
        postings=[
            *opposite(_revenue(lines)),
            *opposite(_taxes(note.taxes)),
            credit(JournalAccount.RECEIVABLE, note.off_due, invoice.public_id),
            credit(JournalAccount.OWED_TO_CUSTOMER, note.given_back, note.public_id),
        ],
    )


def tax_part(tax: dict[str, Any]) -> str:
    """Which part of the account of taxes it is: `19 % VAT Germany`."""
    return f"{tax['percent']} % {tax['name']}"


def _revenue(lines: Iterable[tuple[str, Decimal]]) -> list[Posting]:
    sums: dict[JournalAccount, Decimal] = {}
    for kind, amount in lines:
        account = REVENUE[InvoiceLine.Kind(kind)]
        sums[account] = sums.get(account, Decimal("0.00")) + amount
    return [credit(account, amount) for account, amount in sums.items()]


def _taxes(taxes: Iterable[dict[str, Any]]) -> list[Posting]:
    return [credit(JournalAccount.TAX, Decimal(tax["amount"]), tax_part(tax)) for tax in taxes]


def _about(invoice: Invoice, kind: Kind, postings: list[Posting], actor: str, now: datetime, of: str = "") -> EntryDraft:
    return EntryDraft(
        kind=kind,
        workspace_id=invoice.workspace_id,
        document=invoice.public_id,
        currency=invoice.currency,
        happened_at=now,
        actor=actor,
        postings=postings,
        key=f"{kind}:{invoice.public_id}:{of}" if of else "",
    )
