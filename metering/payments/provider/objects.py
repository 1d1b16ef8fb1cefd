"""What a payment provider keeps, as far as this product looks at it. Amounts are Decimals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Intent:
    """A payment: `status` is succeeded, processing, declined, canceled, unconfirmed (its owner has to act) or pending.

    `charged` and `kind` are of its latest charge: when it was begun, and of what kind of method.
    """

    id: str
    status: str
    amount: Decimal
    currency: str
    received: Decimal = Decimal("0.00")
    customer: str = ""
    method: str = ""
    code: str = ""
    message: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None
    charged: datetime | None = None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """A page of the provider's: `status` is open, complete or expired."""

    id: str
    status: str
    url: str
    mode: str
    customer: str
    intent: str
    setup_intent: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setup:
    """The saving of a method, which for a bank account may take days: `method` is empty until it succeeded."""

    id: str
    method: str
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """A saved card or bank account, as a page shows it."""

    id: str
    kind: str
    customer: str
    brand: str
    last_four: str
    expires_year: int | None = None
    expires_month: int | None = None


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """A refund: `status` is pending, succeeded, failed or canceled."""

    id: str
    status: str
    amount: Decimal
    intent: str
    message: str = ""
    created: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """A dispute, in the provider's own words; `fee` is what the provider takes for it."""

    id: str
    status: str
    reason: str
    amount: Decimal
    currency: str
    intent: str
    opened_at: datetime
    fee: Decimal = Decimal("0.00")
