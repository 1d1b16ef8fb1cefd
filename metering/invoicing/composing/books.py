"""What composing a workspace's invoices has to know, read once (read.py). Everything after it is arithmetic, for one invoice
or for several.

A void invoice waits for its reissue: what it billed of its own month is billed by nobody else until a person has that month
billed again. Its other lines, corrections of earlier months, go to whichever invoice comes next.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.credits.ledger import Remaining
from metering.invoicing.composing.charged_taxes import ChargedTaxes
from metering.invoicing.composing.lines import LineKey, Quantities
from metering.invoicing.composing.taxes import TaxShare
from metering.invoicing.fees.models import ManualLine
from metering.invoicing.fees.proration import FeeHistory
from metering.invoicing.models import Invoice, InvoiceLine
from metering.invoicing.terms.models import AgreedPricing, BillingTerms
from metering.money import WIDE
from metering.periods import Period, month_of
from workspaces.models import Workspace

BILLS_TOKENS = (InvoiceLine.Kind.USAGE, InvoiceLine.Kind.ADJUSTMENT)
NOTHING = Decimal(0)
# What is billed whatever its price: model, tier and component; of a fee its id.
ItemKey = tuple[int, str, str]


def item_of(key: LineKey) -> ItemKey:
    return key.model_id, key.service_tier, key.component if key.model_id else key.price


class SettledItem(NamedTuple):
    """A correction that counts as billed: tokens and exact USD, below zero where something was given back."""

    key: LineKey
    kind: str
    quantity: int
    amount_exact: Decimal


@dataclass(frozen=True, slots=True)
class CreditedMonth:
    """What a credit note gave back of lines of one month: `left` of it, whole cents before tax, settled no correction yet."""

    note_id: int
    invoice_id: int
    month: datetime
    items: frozenset[ItemKey]
    left: Decimal


@dataclass(frozen=True, slots=True)
class BookedInvoice:
    """What other invoices of its workspace have to know of one."""

    id: int
    month: datetime
    status: str
    finalized_at: datetime | None
    reissued_at: datetime | None
    terms: dict[str, dict[str, Any]]
    taxes: list[dict[str, Any]]
    # A draft that will be issued, or that waits for a person: later invoices leave its months to it.
    will_stand: bool

    @property
    def stands(self) -> bool:
        return self.status in Invoice.FINALIZED

    @property
    def period(self) -> Period:
        return month_of(self.month)


@dataclass(slots=True)
class Billed:
    """What invoices say of each month: tokens, exact USD of other lines by kind and id, and which invoices they are."""

    tokens: Quantities = field(default_factory=dict)
    charges: dict[tuple[datetime, str, str], Decimal] = field(default_factory=dict)
    invoices: dict[datetime, set[int]] = field(default_factory=lambda: defaultdict(set))

    def add(self, key: LineKey, kind: str, tokens: int, amount: Decimal, invoice: int) -> None:
        self.invoices[key.month].add(invoice)
        if kind in BILLS_TOKENS:
            self.tokens[key] = self.tokens.get(key, 0) + tokens
        else:
            charge = (key.month, kind, key.price)
            self.charges[charge] = WIDE.add(self.charges.get(charge, NOTHING), amount)

    def plus(self, items: Iterable[SettledItem], invoice: int) -> "Billed":
        """The same with these items as well, as if the invoice billed them."""
        found = Billed(dict(self.tokens), dict(self.charges), defaultdict(set))
        for month, ids in self.invoices.items():
            found.invoices[month] |= ids
        for item in items:
            found.add(item.key, item.kind, item.quantity, item.amount_exact, invoice)
        return found


@dataclass(frozen=True, slots=True)
class Books:
    """What invoices are composed of, for the months from `start` (None: from the first) up to `end`. `taxes` are today's."""

    workspace: Workspace
    terms: BillingTerms
    taxes: tuple[TaxShare, ...]
    pricing: Sequence[AgreedPricing]
    fees: Sequence[FeeHistory]
    manual_lines: Sequence[ManualLine]
    # Those of all months, by month and age.
    invoices: Sequence[BookedInvoice]
    start: datetime | None
    end: datetime
    used: Quantities
    billed: Billed
    waiting: Billed
    # By invoices that stand, less what credit notes gave back.
    charged: ChargedTaxes
    # Oldest first.
    credited: Sequence[CreditedMonth]
    credit: Sequence[Remaining]
    prices: Mapping[str, PriceVersion]
    models: Mapping[int, LanguageModel]

    def drafts_before(self, period: Period) -> Iterator[BookedInvoice]:
        """Those that will stand, oldest first."""
        return (each for each in self.invoices if each.will_stand and each.month < period.start)

    def waiting_months(self) -> set[datetime]:
        """Months whose invoice is void and not reissued."""
        return {each.month for each in waiting_invoices(self.invoices)}

    def as_reissued(self) -> "Books":
        """The same books as if the next invoice billed every month that waits for its reissue."""
        released = [replace(each, reissued_at=each.reissued_at or each.finalized_at) for each in self.invoices]
        return replace(self, invoices=released, waiting=Billed())


def waiting_invoices(invoices: Sequence[BookedInvoice]) -> list[BookedInvoice]:
    """The last void invoice of each month that has no other since, and that nobody reissued."""
    last = {each.month: each for each in invoices}
    current = {each.month for each in invoices if each.status != Invoice.Status.VOID}
    return [each for each in last.values() if each.month not in current and each.reissued_at is None]
