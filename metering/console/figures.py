"""How the console prints figures: money to the cent with the exact amount on hover, counts with separators, ages in words."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from metering.components import Component
from metering.dollars import usd_column, usd_component_rate, usd_exact, usd_rate
from metering.money import exact_text
from metering.usage.query import Measures


def figure(text: Any, title: str = "") -> SafeString:
    """A number in a table: set to the right, in digits of one width."""
    return format_html('<span class="figure" title="{}">{}</span>', title, text)


def money(amount: Decimal | None) -> SafeString:
    return figure("-") if amount is None else figure(usd_column(amount), f"{exact_text(amount)} USD")


def money_in(currency: str, amount: Decimal) -> SafeString:
    """Dollars as everywhere; another currency is named."""
    return money(amount) if currency == "USD" else figure(f"{amount:,f} {currency}")


def cost_html(row: Measures) -> SafeString:
    """What usage cost, as far as it has a price."""
    return figure("Unpriced") if row.unpriced_requests and not row.cost else money(row.cost)


def exact_money(amount: Decimal | None, places: int = 6) -> SafeString:
    return figure("Unpriced") if amount is None else figure(usd_exact(amount, places))


def rate_html(amount: Decimal | None) -> SafeString:
    """USD per million tokens; a dash where there is none."""
    return figure(usd_rate(amount, missing="-"))


def quantity_html(quantity: int, component: Component) -> SafeString:
    return figure(component.quantity_text(quantity))


def component_rate_html(per_million: Decimal | None, component: Component) -> SafeString:
    """The same of any component, as its rates are stated."""
    return figure(usd_component_rate(per_million, component, missing="-"))


def count_html(number: int | None) -> SafeString:
    return figure("-" if number is None else f"{number:,}")


def short(number: int) -> str:
    """`1,234`, `12.3 million`: for a card, where the exact count is on hover."""
    for size, word in ((10**9, "billion"), (10**6, "million")):
        if number >= size:
            return f"{Decimal(number) / size:,.1f} {word}"
    return f"{number:,}"


def age(since: datetime, now: datetime) -> str:
    """`42 s`, `5 min`, `3 h`, `2 days`."""
    passed = max(now - since, timedelta(0))
    if passed < timedelta(minutes=2):
        return f"{int(passed.total_seconds())} s"
    if passed < timedelta(hours=2):
        return f"{passed // timedelta(minutes=1)} min"
    if passed < timedelta(days=2):
        return f"{passed // timedelta(hours=1)} h"
    return f"{passed.days} days"


def moment(instant: datetime | None) -> str:
    """In UTC, to the second: `2026-10-15 12:00:00`."""
    return "-" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}"


def named_moment(instant: datetime, name: str) -> SafeString:
    """A row of a list by its time, with its id below."""
    words = '<span><span class="console-nowrap">{}</span><br><span class="console-note">{}</span></span>'
    return format_html(words, moment(instant), name)


def two_lines(name: str, note: str) -> SafeString:
    """A name, and below it what tells it apart."""
    return format_html('<span>{}<br><span class="console-note">{}</span></span>', name, note)


def change(now: Decimal | int, before: Decimal | int) -> str:
    """How much more or less than before, as `+12%`; beyond 999% in words, and `new` with nothing to compare with."""
    if not before:
        return "new" if now else "±0%"
    if now > before * 10:
        return "more than 10\u00d7"
    percent = round((Decimal(now) - Decimal(before)) * 100 / Decimal(before))
    return f"{percent:+,}%" if percent else "±0%"
