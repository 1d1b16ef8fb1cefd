"""What is true of a scenario, no matter who counts it: events as they happened and prices as they were set. No project code."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

CLASSES = ("input", "cached_input", "cache_write", "output")
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)

# As the models' pages and public price lists have them: input, cached input, output.
SEED_RATES = {
    "codex-mini": ("1.5", "0.375", "6"),
    "o1-preview": ("15", "7.5", "60"),
    "computer-use-preview": ("3", None, "12"),
    "grok-3": ("3", None, "15"),
}


@dataclass(frozen=True)
class Happened:
    """One response of a model. Tokens are disjoint, but for `reasoning`, which is a part of `output`; `at` is in UTC."""

    request_id: str
    attempt: int
    tenant: int
    key_id: str
    model: str
    tier: str
    provider: str
    status: str
    at: datetime
    uncached: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    # What else was used, by the name of its component; each counts its parts as well.
    others: tuple[tuple[str, int], ...] = ()

    @property
    def identity(self) -> tuple[int, str, int]:
        return self.tenant, self.request_id, self.attempt

    @property
    def input(self) -> int:
        return self.uncached + self.cached + self.cache_write

    @property
    def tokens(self) -> dict[str, int]:
        """By the component that is billed."""
        return dict(zip(CLASSES, (self.uncached, self.cached, self.cache_write, self.output), strict=True))


@dataclass(frozen=True)
class Price:
    """A version as an operator set it; USD per million tokens, None where it has no rate of its own.

    `open` has those of further components, for as much as they are for.
    """

    price_id: str
    model: str
    since: datetime
    input: Decimal
    cached_input: Decimal | None
    output: Decimal
    cache_write: Decimal | None = None
    tier: str = "default"
    tenant: int | None = None
    above: int = 0
    open: tuple[tuple[str, Decimal], ...] = ()

    def rate(self, component: str) -> Decimal:
        own = {
            "input": self.input,
            "cached_input": self.cached_input,
            "cache_write": self.cache_write,
            "output": self.output,
        }[component]
        return self.input if own is None else own
