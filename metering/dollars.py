"""How people read amounts in USD, on pages, in the console and in messages. Programs read `metering.money`'s texts."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from metering.components import Component
from metering.money import ONE_CENT, ONE_MICRO, WIDE, exact_text, rate_text, round_to_cents


def usd_rounded(amount: Decimal) -> str:
    """Rounded to cents: `$1,234.56`."""
    return _written(f"{round_to_cents(amount):f}")


def usd_text(amount: Decimal) -> str:
    """For one amount alone: `$1,234.56`; what is less than a cent and not nothing is printed exactly: `$0.002649`."""
    if amount and abs(amount) < ONE_CENT:
        return _written(exact_text(amount).rstrip("0"))
    return usd_rounded(amount)


def usd_column(amount: Decimal) -> str:
    """For columns, where amounts are compared: `$1,234.56`, and `<$0.01` for what is less than a cent and not nothing."""
    if amount and abs(amount) < ONE_CENT:
        return "<$0.01" if amount > 0 else ">-$0.01"
    return usd_rounded(amount)


def usd_exact(amount: Decimal, at_least: int = 2) -> str:
    """Every digit there is, and `at_least` so many places: `$0.002649`."""
    whole, _, places = exact_text(amount).partition(".")
    return _written(f"{whole}.{places.rstrip('0').ljust(at_least, '0')}")


def usd_in_micros(amount: Decimal) -> str:
    """Rounded to six places: `$0.002649`."""
    return _written(f"{amount.quantize(ONE_MICRO, rounding=ROUND_HALF_UP, context=WIDE):f}")


def usd_rate(rate: Decimal | None, missing: str = "") -> str:
    """USD per million tokens in its six places: `$1.500000`."""
    text = rate_text(rate)
    return missing if text is None else _written(text)


def usd_component_rate(per_million: Decimal | None, component: Component, missing: str = "") -> str:
    """USD as the component's rates are stated: `$1.500000` for tokens, `$0.01 per search`."""
    if per_million is None or component.is_tokens:
        return usd_rate(per_million, missing)
    return f"{usd_exact(component.stated_rate(per_million))} per {component.per_label}"


def places_of(amounts: Iterable[Decimal | None], at_least: int = 2) -> int:
    """How many places show all these amounts whole, so that their points stand in one column. None among them is left out."""
    texts = (exact_text(amount).rstrip("0") for amount in amounts if amount is not None)
    return max([at_least, *(len(text.partition(".")[2]) for text in texts)])


def _written(number: str) -> str:
    """With the sign before the dollar, and the thousands apart. What is rounded to nothing has no sign."""
    whole, point, places = number.removeprefix("-").partition(".")
    negative = number.startswith("-") and bool((whole + places).strip("0"))
    return f"{'-' if negative else ''}${int(whole):,}{point}{places}"
