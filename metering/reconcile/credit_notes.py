"""Proof that credit notes agree with themselves and with the invoices they lower. Writes nothing."""

from collections.abc import Iterator
from typing import Any

from metering.money import cents_text
from metering.periods import Period
from metering.reconcile.query import fetch_rows

NOTES = """
SELECT n.public_id, n.number, n.subtotal, n.tax, n.total, n.off_due + n.given_back,
       coalesce((SELECT sum((tax ->> 'amount')::numeric) FROM jsonb_array_elements(n.taxes) AS each (tax)), 0),
       coalesce((SELECT sum(amount) FROM metering_creditnoteline l WHERE l.credit_note_id = n.id), 0)
FROM metering_creditnote n JOIN metering_invoice i ON i.id = n.invoice_id
WHERE %(start)s::timestamptz IS NULL OR i.period_start = %(start)s ORDER BY n.id
"""

# Each finalized invoice beside the sums of its credit notes.
INVOICES = """
SELECT i.public_id, i.number, i.credited, i.credited + i.amount_paid + i.credits_applied,
       coalesce(sum(n.off_due), 0), coalesce(sum(n.total), 0),
       (SELECT count(*) FROM metering_invoiceline l
        WHERE l.invoice_id = i.id AND l.amount < (
            SELECT sum(c.amount) FROM metering_creditnoteline c WHERE c.invoice_line_id = l.id))
FROM metering_invoice i LEFT JOIN metering_creditnote n ON n.invoice_id = i.id
WHERE i.status <> 'draft' AND (%(start)s::timestamptz IS NULL OR i.period_start = %(start)s)
GROUP BY i.id HAVING count(n.id) > 0 OR i.credited <> 0 ORDER BY i.id
"""


def credit_note_differences(period: Period | None = None) -> Iterator[dict[str, Any]]:
    """As `reconcile.differences`: one object for each contradiction, of the credit notes against the month's invoices."""
    scope = {"start": period and period.start}
    for public_id, number, subtotal, tax, total, settled, taxes, lines in fetch_rows(NOTES, scope):
        of_note = {"credit_note_id": public_id, "number": number}
        yield from differing("credited_lines_add_up", of_note, cents_text(subtotal), cents_text(lines))
        yield from differing("credited_tax_is_the_sum_of_taxes", of_note, cents_text(taxes), cents_text(tax))
        yield from differing("credit_note_is_subtotal_and_tax", of_note, cents_text(subtotal + tax), cents_text(total))
        yield from differing("credit_note_is_off_due_or_given_back", of_note, cents_text(total), cents_text(settled))
    for public_id, number, credited, most, off_due, notes, beyond in fetch_rows(INVOICES, scope):
        of_invoice = {"invoice_id": public_id, "number": number}
        yield from differing("credited_is_what_credit_notes_took_off", of_invoice, cents_text(off_due), cents_text(credited))
        yield from differing("no_line_is_credited_beyond_itself", of_invoice, "0 lines", f"{beyond} lines")
        if notes > most:
            expected = f"at most {cents_text(most)}"
            yield {"check": "no_more_credited_than_billed", **of_invoice, "expected": expected, "found": cents_text(notes)}


def differing(check: str, whose: dict[str, Any], expected: str, found: str) -> Iterator[dict[str, Any]]:
    if expected != found:
        yield {"check": check, **whose, "expected": expected, "found": found}
