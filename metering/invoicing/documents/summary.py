"""What a document prints of an invoice's lines: all of them, or of very many their sums. The annex has every line.

A paper of ten thousand lines is read by nobody, and too large for a mail.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Max, Min, Sum

from metering.components import LISTED, component_named
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice, InvoiceLine

MOST_LINES_PRINTED = 300
# Summed up by the first of these that has no more rows than are printed, else by the last.
GROUPINGS = (("model", "component"), ("model",), ("component",))
ALL_TOKENS = "tokens"
TOKENS = [each.name for each in LISTED if each.is_tokens]


@dataclass(frozen=True, slots=True)
class SummedLine:
    """Lines of one month and kind, summed up. Printed as a line is; the rate is None where they have several."""

    kind: str
    period_start: datetime
    description: str
    component: str
    quantity: int
    rate_per_million: Decimal | None
    amount_exact: Decimal
    amount: Decimal
    lines: int


PrintedLine = InvoiceLine | SummedLine


def printed_lines(invoice: Invoice) -> Sequence[PrintedLine]:
    """Lines in the order of the invoice, never many more than MOST_LINES_PRINTED."""
    lines = list(invoice.lines.all()[: MOST_LINES_PRINTED + 1])
    return lines if len(lines) <= MOST_LINES_PRINTED else summed_lines(invoice)


def summary_note(lines: Sequence[PrintedLine]) -> str:
    """What a reader has to know of a summary; empty where every line is printed."""
    summed = sum(line.lines for line in lines if isinstance(line, SummedLine))
    return f"This invoice has {summed:,} lines, summed up here. Its annex lists each of them." if summed else ""


def summed_lines(invoice: Invoice) -> list[SummedLine]:
    found: list[SummedLine] = []
    for by in GROUPINGS:
        found = list(_summed(invoice, by))
        if len(found) <= MOST_LINES_PRINTED:
            break
    return found


def summed_credits(note: CreditNote) -> list[tuple[str, Decimal]]:
    """What a credit note of very many lines credits, by what the lines of its invoice are summed up by."""
    found: list[tuple[str, Decimal]] = []
    for by in GROUPINGS:
        named = {name: F(f"invoice_line__{name}") for name in by}
        used = note.lines.exclude(invoice_line__component="").order_by()
        tokens = used.filter(invoice_line__component__in=TOKENS).values(**named)
        units = used.exclude(invoice_line__component__in=TOKENS).values(**named | {"component": F("invoice_line__component")})
        others = note.lines.filter(invoice_line__component="").order_by().values("description")
        sums: dict[str, Any] = {"first": Min("position"), "lines": Count("pk"), "amount_sum": Sum("amount")}
        summed: list[dict[str, Any]] = [dict(row) for rows in (tokens, units, others) for row in rows.annotate(**sums)]
        rows = sorted(summed, key=lambda row: row["first"])
        found = [(row.get("description") or _text(row), row["amount_sum"]) for row in rows]
        if len(found) <= MOST_LINES_PRINTED:
            break
    return found


def _summed(invoice: Invoice, by: tuple[str, ...]) -> Iterator[SummedLine]:
    """A discount and a minimum keep their own text, as what has no model. Only what is counted in tokens is added up over
    components.
    """
    used = invoice.lines.exclude(component="").order_by()
    tokens = used.filter(component__in=TOKENS).values("kind", "period_start", *by)
    units = used.exclude(component__in=TOKENS).values("kind", "period_start", *dict.fromkeys((*by, "component")))
    others = invoice.lines.filter(component="").order_by().values("kind", "period_start", "description")
    sums: dict[str, Any] = {
        "first": Min("position"),
        "lines": Count("pk"),
        "quantity_sum": Sum("quantity"),
        "lowest": Min("rate_per_million"),
        "highest": Max("rate_per_million"),
        "exact_sum": Sum("amount_exact"),
        "amount_sum": Sum("amount"),
    }
    summed: list[dict[str, Any]] = [dict(row) for rows in (tokens, units, others) for row in rows.annotate(**sums)]
    for row in sorted(summed, key=lambda row: row["first"]):
        is_tokens = "description" not in row
        yield SummedLine(
            kind=row["kind"],
            period_start=row["period_start"],
            description=_text(row) if is_tokens else row["description"],
            component=row.get("component", ALL_TOKENS) if is_tokens else "",
            quantity=row["quantity_sum"],
            rate_per_million=row["lowest"] if row["lowest"] == row["highest"] else None,
            amount_exact=row["exact_sum"],
            amount=row["amount_sum"],
            lines=row["lines"],
        )


def _text(row: dict[str, Any]) -> str:
    """Such as "codex-mini, cached input (12 lines)"."""
    model, component = row.get("model", "all models"), row.get("component")
    what = f"{model}, {component_named(component).label if component else 'all tokens'}"
    return what if row["lines"] == 1 else f"{what} ({row['lines']:,} lines)"
