"""Prices as CSV: a line for each model, tier and threshold, a column for each component, rates as price versions have them.

What the console exports can be imported again. docs/prices.md documents the columns.
"""

import csv
import io
import re
from decimal import Decimal

from metering.catalogue.imports.cards import (
    MOST_TOKENS,
    Card,
    NotImported,
    Page,
    PriceEntry,
    PriceFile,
    UnreadableFile,
    decimal_of,
    rounded,
    with_markup,
)
from metering.catalogue.set_price import check_rate
from metering.catalogue.tiers import DEFAULT_TIER, normal_tier
from metering.components import component_named
from metering.errors import InvalidPrice

SCOPE_COLUMNS = ("model", "service_tier", "above_input_tokens")
PROVIDER_COLUMNS = ("provider", "route")
DEFUSED = re.compile(r"'(?=[=+\-@|])")  # an export begins so what a spreadsheet would run as a formula
# What an export says as well. It is no part of a price.
PASSED_OVER = ("price_id", "effective_from", "currency", "factor")


def read_csv(text: str, markup: Decimal) -> PriceFile:
    """Raises UnreadableFile."""
    try:
        lines = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
        header = _checked_header(lines.fieldnames)
        rows = [(lines.line_num, row) for row in lines]
    except csv.Error as error:
        raise UnreadableFile(f"The file is not CSV: {error}.") from None
    read = PriceFile([], {})
    lines_of: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for number, row in rows:
        model = (row.get("model") or "").strip()
        lines_of.setdefault(model[1:] if DEFUSED.match(model) else model, []).append((number, row))
    for model, own in lines_of.items():
        try:
            read.entries.extend(_entries(model, own, header, markup))
        except NotImported as refused:
            read.refused[model] = str(refused)
    return read


def _checked_header(names: object) -> list[str]:
    header = list(names) if isinstance(names, list | tuple) else []
    if "model" not in header or len(set(header)) != len(header):
        raise UnreadableFile(
            "The first line of the CSV names its columns, each once, with commas between them; `model` is one of them."
        )
    for name in header:
        if name not in (*SCOPE_COLUMNS, *PROVIDER_COLUMNS, *PASSED_OVER) and not _is_component(name):
            raise UnreadableFile(f"The CSV has a column that is not known here: {name!r}.")
    return [name for name in header if _is_component(name)]


def _is_component(name: str) -> bool:
    try:
        component_named(name)
    except KeyError:
        return False
    return True


def _entries(model: str, lines: list[tuple[int, dict[str, str]]], components: list[str], markup: Decimal) -> list[PriceEntry]:
    """One for each provider that the lines name, or one where they name none."""
    if not model:
        raise NotImported(f"Line {lines[0][0]} has no model.")
    by_provider: dict[tuple[str, str], dict[tuple[str, int], Card]] = {}
    for number, row in lines:
        if None in row or None in row.values():
            raise NotImported(f"Line {number} has a different number of values than the header.")
        provider, route = ((row.get(name) or "").strip() for name in PROVIDER_COLUMNS)
        cards = by_provider.setdefault((provider, route), {})
        card = _card(number, row, components, markup)
        if (card.service_tier, card.above_input_tokens) in cards:
            raise NotImported(f"Line {number} has the same tier and threshold as a line above it.")
        cards[card.service_tier, card.above_input_tokens] = card
    return [
        PriceEntry(model, tuple(cards.values()), Page(provider=provider), route=route)
        for (provider, route), cards in by_provider.items()
    ]


def _card(number: int, row: dict[str, str], components: list[str], markup: Decimal) -> Card:
    above = (row.get("above_input_tokens") or "0").strip()
    if not (above.isascii() and above.isdigit() and Decimal(above) < MOST_TOKENS):
        raise NotImported(f"Line {number}: above_input_tokens is {above[:40]!r}, which is not a whole number of tokens.")
    rates = {name: _rate(number, name, row[name].strip(), markup) for name in components if row[name].strip()}
    missing = [name for name in ("input", "output") if name not in rates]
    if missing:
        raise NotImported(f"Line {number} has no {missing[0]} rate: write 0 where it costs nothing.")
    return Card(rates, normal_tier(row.get("service_tier") or DEFAULT_TIER), int(above))


def _rate(number: int, name: str, text: str, markup: Decimal) -> Decimal:
    rate, component = decimal_of(text, f"line {number}: {name}"), component_named(name)
    if rounded(rate, component.decimals) != rate:
        raise NotImported(f"Line {number}: {name} {text} has more than {component.decimals} decimals.")
    try:
        return check_rate(with_markup(rate, markup, component.decimals), name, component)
    except InvalidPrice as refusal:
        raise NotImported(refusal.message) from None
