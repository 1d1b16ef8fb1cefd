"""What a file of prices comes to, whatever its format: of each model its cards, or why it is not imported.

A file's numbers are read as the decimals they are written in. A rate is exact, or it is rounded where that is harmless and
said, or its model is refused.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from metering.catalogue.set_price import check_rate
from metering.catalogue.tiers import DEFAULT_TIER
from metering.components import component_named
from metering.errors import InvalidPrice
from metering.money import WIDE
from workspaces.names import is_storable

# Of what is billed, a rate may be wrong by so little when it is rounded: a cent in 10,000 USD.
HARMLESS = Decimal("0.000001")
MILLISECONDS = "ms"
MOST_DIGITS = 30  # of an amount, before its point and after it: with more it is no price, and could not be computed with
MOST_TOKENS = 2**31  # what a limit or a threshold is below


class NotImported(Exception):
    """This model is refused, for this reason."""


class UnreadableFile(InvalidPrice):
    code = "unreadable_price_file"


class Repeated:
    """Stands for what a JSON object says of one name when it has it twice and says two things."""

    def __str__(self) -> str:
        return "two values"


REPEATED = Repeated()


@dataclass(frozen=True, slots=True)
class Card:
    """What a model costs in one tier above one threshold: rates by component, as a price version has them."""

    rates: Mapping[str, Decimal]
    service_tier: str = DEFAULT_TIER
    above_input_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """What a file says of a model beside its prices; for models that are not in the catalogue yet."""

    name: str = ""
    provider: str = ""
    endpoint_type: str = ""
    context_window: int | None = None
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class PriceEntry:
    """One model of a file. Each of its cards is of another tier or threshold; `remarks` are what a person should know."""

    model: str
    cards: tuple[Card, ...]
    page: Page = field(default_factory=Page)
    remarks: tuple[str, ...] = ()
    route: str = ""  # of what a provider charges: only by this route


@dataclass(frozen=True, slots=True)
class PriceFile:
    """What a file comes to. `refused` has a reason for each model that is not imported."""

    entries: list[PriceEntry]
    refused: dict[str, str]


def read_json(text: str) -> Any:
    """A JSON document whose numbers are exact decimals, and REPEATED where it says two things. Raises UnreadableFile."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_json_object)
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"The file is not JSON: {error}.") from None


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a number")


def _json_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if not is_storable(name) or (isinstance(value, str) and not is_storable(value)):
            raise UnreadableFile(f"The file is not text: {name!a} contains an invalid character.")
        found[name] = REPEATED if name in found and found[name] != value else value
    return found


def decimal_of(value: Any, name: str) -> Decimal:
    """An amount as it is written, a number or text. Raises NotImported."""
    try:
        amount = Decimal(value) if isinstance(value, int | str | Decimal) and not isinstance(value, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite():
        raise NotImported(f"{name} is {str(value)[:40]!r}, which is not an amount.")
    if amount and not (len(amount.as_tuple().digits) <= MOST_DIGITS and -MOST_DIGITS <= amount.adjusted() <= MOST_DIGITS):
        raise NotImported(f"{name} is {str(value)[:40]!r}: an amount has at most {MOST_DIGITS} digits.")
    if amount < 0:
        raise NotImported(f"{name} is {amount}: a price cannot be negative.")
    return amount.copy_abs() if amount else Decimal(0)


def whole_number(value: Any) -> int | None:
    """A limit that the tables can hold, such as a context window; None where the file has none that makes sense."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return int(number) if number.is_finite() and 1 <= number < MOST_TOKENS else None  # bounded first: 1e999999999 is long


class RateReader:
    """Amounts for one unit as rates of components, and what had to be rounded on the way."""

    def __init__(self, markup: Decimal) -> None:
        self._markup = markup
        self.remarks: list[str] = []

    def rate(self, name: str, usd: Decimal, source: str) -> Decimal:
        """The rate of a component from USD for one of its units (a token, a second, an image). Raises NotImported."""
        component = component_named(name)
        exact = usd if component.unit == MILLISECONDS else WIDE.multiply(usd, Decimal(component.per))
        rate = rounded(exact, component.decimals)
        if rate != exact:
            if abs(rate - exact) > exact * HARMLESS:
                has = f"a rate of {component.label} has {component.decimals} decimals for {component.per_label}"
                raise NotImported(f"{source} is {usd}: {has}, and rounding it would be more than a cent in 10,000 USD.")
            self.remarks.append(f"{source} {usd} is rounded to {bare_rate(rate)} USD for {component.per_label}.")
        return self._checked(with_markup(rate, self._markup, component.decimals), name)

    def _checked(self, rate: Decimal, name: str) -> Decimal:
        try:
            return check_rate(rate, name, component_named(name))
        except InvalidPrice as refusal:
            raise NotImported(refusal.message) from None


def rounded(rate: Decimal, decimals: int) -> Decimal:
    """Half up, to the decimals that a rate has."""
    return rate.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP, context=WIDE)


def with_markup(rate: Decimal, markup: Decimal, decimals: int) -> Decimal:
    """rate x (1 + markup), exact, then rounded half up to the decimals that the rate has."""
    return rounded(WIDE.multiply(rate, 1 + markup), decimals)


def bare_rate(rate: Decimal) -> str:
    """A rate without zeros at its end."""
    text = format(rate, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_markup(text: str | None) -> Decimal:
    """`20%` or `0.2` as 0.2. Raises InvalidPrice."""
    if text is None or not text.strip():
        return Decimal(0)
    body = text.strip()
    percent = body.endswith("%")
    try:
        stated = Decimal(body.removesuffix("%").strip())
    except InvalidOperation:
        stated = Decimal("NaN")
    if not stated.is_finite():
        raise InvalidPrice(f"The markup {text!r} is not a number: write it as 20%.", param="markup")
    if not percent and not -1 <= stated <= 1:
        raise InvalidPrice(f"The markup {text!r} could be a factor or per cent: write it as {body}%.", param="markup")
    if not -100 <= stated <= 10_000 or stated != rounded(stated, 6 if percent else 8):
        raise InvalidPrice(
            f"The markup {text!r} is out of bounds: from -100% to 10000%, with at most six decimals.", param="markup"
        )
    return stated.scaleb(-2) if percent else stated


def distinct_cards(cards: Iterable[Card]) -> tuple[Card, ...]:
    """Without those that say what the card below them says: above a threshold, or nothing at all."""
    kept: list[Card] = []
    for card in sorted(cards, key=lambda each: (each.service_tier != DEFAULT_TIER, each.service_tier, each.above_input_tokens)):
        below = kept[-1] if kept and kept[-1].service_tier == card.service_tier else None
        if below is None or below.rates != card.rates:
            kept.append(card)
    return tuple(kept)
