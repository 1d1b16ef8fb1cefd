"""What the tables say after an act: everything that the checks compare, asked at once."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from metering.rows import fetch_together
from tests.bookkeeping.book import ZERO

BALANCES = "SELECT account, part, balance FROM metering_journalbalance WHERE balance <> 0"
INVOICES = """
SELECT id, public_id, workspace_id, status, period_start, amount_due, reissued_at FROM metering_invoice ORDER BY id
"""
# Of what bills tokens: the month, the rate and how many.
LINES = """
SELECT invoice_id, period_start, rate_per_million, quantity FROM metering_invoiceline WHERE kind IN ('usage', 'adjustment')
"""
SETTLED = """
SELECT month, price, quantity FROM metering_settledadjustment WHERE kind IN ('usage', 'adjustment')
"""
RATES = "SELECT public_id, input_rate FROM metering_priceversion"
CREDIT = """
SELECT given.public_id, given.source, entry.kind, entry.amount
FROM metering_creditentry entry JOIN metering_creditgrant given ON given.id = entry.grant_id
"""
REFUNDS = "SELECT payment_id, credit_note_id, status, amount FROM metering_refund WHERE status <> 'failed'"
DISPUTED = """
SELECT least(dispute.amount, payment.amount) FROM metering_dispute dispute JOIN metering_payment payment
ON payment.id = dispute.payment_id WHERE dispute.status IN ('needs_response', 'under_review')
"""
NOTES = "SELECT id, public_id, given_back FROM metering_creditnote WHERE settlement = 'refund'"
SURPLUSES = """
SELECT id, public_id, amount, charged_back FROM metering_payment WHERE invoice_id IS NULL AND grant_id IS NULL
"""
# Payments of which we asked to give back, or kept as credit, more than they are.
ASKED_TWICE = """
SELECT payment.public_id FROM metering_payment payment JOIN metering_refund refund ON refund.payment_id = payment.id
WHERE refund.origin = 'requested' AND refund.status <> 'failed'
GROUP BY payment.id HAVING sum(refund.amount) + payment.kept > payment.amount
"""
ALL = [BALANCES, INVOICES, LINES, SETTLED, RATES, CREDIT, REFUNDS, DISPUTED, NOTES, SURPLUSES, ASKED_TWICE]


class InvoiceRow(NamedTuple):
    id: int
    public_id: str
    workspace_id: int
    status: str
    month: datetime
    due: Decimal
    reissued_at: datetime | None


class Tables:
    """`invoices` in the order in which they were made; the rest as the statements say."""

    def __init__(self) -> None:
        balances, invoices, lines, self.settled, rates, credit, refunds, disputed, *others = fetch_together(ALL, {})
        self.balances = [(account, part, Decimal(units) / 100) for account, part, units in balances]
        self.invoices = [InvoiceRow(*each) for each in invoices]
        self.lines: dict[int, list[tuple[datetime, Decimal, int]]] = defaultdict(list)
        for invoice, *line in lines:
            self.lines[invoice].append(tuple(line))
        self.rates: dict[str, Decimal] = dict(rates)  # type: ignore[arg-type]
        self.credit, self.refunds = credit, refunds
        self.notes, self.surpluses, self.asked_twice = others
        self.disputed = total(amount for (amount,) in disputed)

    def parts_of(self, *accounts: str) -> dict[str, Decimal]:
        return {part: balance for account, part, balance in self.balances if part and account in accounts}

    def left_of_credit(self) -> dict[str, Decimal]:
        """By grant."""
        found: Counter[str] = Counter()
        for grant, _, _, amount in self.credit:
            found[grant] += amount  # type: ignore[assignment]
        return {grant: amount for grant, amount in found.items() if amount}  # type: ignore[misc]

    def granted_for(self, source: str) -> Decimal:
        return total(amount for _, of, kind, amount in self.credit if kind == "grant" and of == source)

    def refunded(self, payment: int | None = None, note: int | None = None) -> Decimal:
        """Of a payment or for a credit note, with what is on its way."""
        return total(amount for of, by, _, amount in self.refunds if (payment and of == payment) or (note and by == note))


def total(amounts: Iterable[Any]) -> Decimal:
    return sum(amounts, ZERO)
