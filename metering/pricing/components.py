"""The four parts a response is billed by: how its tokens split into them, and at what rate each is.

Everything that rates, bills or explains asks here. reconcile keeps the same rule in SQL of its own, to be a second opinion.
"""

from decimal import Decimal
from typing import Generic, NamedTuple, TypeVar

from metering.catalogue.models import PriceVersion

T = TypeVar("T")


class Parts(NamedTuple, Generic[T]):
    """Something of each part. `input` is the uncached rest, so that no token is in two of them."""

    input: T
    cached_input: T
    cache_write: T
    output: T


COMPONENTS = Parts._fields


def tokens_of(input: int, cached_input: int, cache_write: int, output: int) -> Parts[int]:
    """Tokens as they are counted, where `input` includes the cached and the cache-write ones, as disjoint parts."""
    return Parts(input - cached_input - cache_write, cached_input, cache_write, output)


def full_rates(input: Decimal, cached_input: Decimal | None, cache_write: Decimal | None, output: Decimal) -> Parts[Decimal]:
    """The rate of every part, in their unit. A part of the input without a rate of its own costs the full input rate."""
    return Parts(
        input,
        input if cached_input is None else cached_input,
        input if cache_write is None else cache_write,
        output,
    )


def rates_per_million(price: PriceVersion) -> Parts[Decimal]:
    """A price version's rates, USD per million tokens."""
    return full_rates(price.input_rate, price.cached_input_rate, price.cache_write_rate, price.output_rate)
