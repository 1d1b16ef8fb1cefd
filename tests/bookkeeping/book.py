"""A plain double-entry book in its own words, for what a whole history comes to. It knows nothing of the product.

Money is written down from what Stripe's side says and from what was done by hand, what was sold from the documents that
customers hold, and what was used from a list of requests.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from threading import Lock

ZERO = Decimal("0.00")
MILLION = 1_000_000


class Book:
    """Debits above zero, credits below; every line moves one amount from one account to another."""

    def __init__(self) -> None:
        self.accounts: Counter[str] = Counter()
        self._lock = Lock()

    def move(self, amount: Decimal, debited: str, credited: str) -> None:
        with self._lock:
            self.accounts[debited] += amount  # type: ignore[assignment]
            self.accounts[credited] -= amount  # type: ignore[assignment]

    def balances(self) -> dict[str, str]:
        return {account: f"{amount:.2f}" for account, amount in sorted(self.accounts.items()) if amount}


@dataclass
class Used:
    """One request: when, how many input tokens, and what a million of them cost when it was rated."""

    at: datetime
    tokens: int
    rate: Decimal

    @property
    def month(self) -> str:
        return f"{self.at:%Y-%m}"

    @property
    def cost(self) -> Decimal:
        return self.tokens * self.rate / MILLION


@dataclass
class Meterings:
    """What was used, by request, and what each price costs from when on."""

    requests: dict[str, Used] = field(default_factory=dict)
    prices: list[tuple[datetime, Decimal]] = field(default_factory=list)

    def rate_at(self, at: datetime) -> Decimal:
        return max((each for each in self.prices if each[0] <= at), key=lambda each: each[0])[1]

    def use(self, name: str, at: datetime, tokens: int) -> None:
        self.requests[name] = Used(at, tokens, self.rate_at(at))

    def replace(self, name: str, tokens: int) -> None:
        self.use(name, self.requests[name].at, tokens)

    def rate_again(self, since: datetime) -> None:
        for each in self.requests.values():
            if each.at >= since:
                each.rate = self.rate_at(each.at)

    def tokens(self) -> dict[tuple[str, Decimal], int]:
        """By month and rate."""
        found: Counter[tuple[str, Decimal]] = Counter()
        for each in self.requests.values():
            found[each.month, each.rate] += each.tokens
        return {key: tokens for key, tokens in found.items() if tokens}
