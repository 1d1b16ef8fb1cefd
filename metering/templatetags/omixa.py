"""How the customer pages write amounts, counts and times, and the small pieces of markup that repeat."""

import re
from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django import template
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from metering.money import WIDE, cents_text, exact_text, rate_text, round_to_cents
from metering.periods import instant_text
from metering.website.icons import ICONS

register = template.Library()

FINE_PLACES = Decimal("0.000001")
BACKQUOTED = re.compile(r"`([^`]+)`")


def _signed(text: str) -> str:
    return f"-${text[1:]}" if text.startswith("-") else f"${text}"


def _grouped(text: str) -> str:
    whole, point, places = text.partition(".")
    return f"{int(whole or 0):,}{point}{places}" if whole != "-0" else text


@register.filter
def usd(amount: Decimal) -> str:
    """Rounded to cents: $1,234.56."""
    return _signed(_grouped(cents_text(round_to_cents(amount))))


@register.filter
def usd_exact(amount: Decimal, at_least: int = 2) -> str:
    """Every digit there is, and `at_least` so many places: $0.002649."""
    whole, _, places = exact_text(amount).partition(".")
    return _signed(_grouped(f"{whole}.{places.rstrip('0').ljust(at_least, '0')}"))


@register.filter
def places(things: Iterable[Any], name: str) -> int:
    """How many places show all these amounts whole, so that their points stand in one column. None among them is left out."""
    amounts = [amount for each in things if (amount := getattr(each, name)) is not None]
    return max([2, *(len(exact_text(amount).rstrip("0").partition(".")[2]) for amount in amounts)])


@register.filter
def usd_fine(amount: Decimal) -> SafeString:
    """For columns: six places, those after the cents in a lighter tone; the exact amount is in its title."""
    text = _signed(_grouped(format(amount.quantize(FINE_PLACES, rounding=ROUND_HALF_UP, context=WIDE), "f")))
    return format_html('<span title="{}">{}<span class="money__fine">{}</span></span>', usd_exact(amount), text[:-4], text[-4:])


@register.filter
def usd_rate(rate: Decimal | None) -> str:
    """A rate per million tokens, as the model pages print it: $1.500000."""
    return "" if rate is None else f"${_grouped(rate_text(rate) or '')}"


@register.filter
def count(number: int | None) -> str:
    """1,234,567."""
    return "" if number is None else f"{number:,}"


@register.filter
def compact(number: int) -> str:
    """For headlines: 1,234 or 56.7k or 1.23M. Never rounds up to the next unit's four digits."""
    if number < 10_000:
        return f"{number:,}"
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            places = 2 if number < 10 * size else 1 if number < 100 * size else 0
            scaled = number * 10**places // size
            text = str(scaled) if places == 0 else f"{scaled // 10**places}.{scaled % 10**places:0{places}d}"
            return text + unit
    return str(number)


@register.filter
def component(name: str) -> str:
    """cached_input as people read it: Cached input."""
    return name.replace("_", " ").capitalize()


@register.filter
def instant(moment: datetime | None) -> SafeString | str:
    """15 Oct 2026, 12:00 with the full UTC time behind it."""
    if moment is None:
        return ""
    text = f"{moment.day} {moment:%b %Y, %H:%M}"
    return format_html('<time datetime="{0}" title="{0}">{1}</time>', instant_text(moment), text)


@register.filter
def day(moment: datetime | None) -> SafeString | str:
    """15 Oct 2026."""
    if moment is None:
        return ""
    text = f"{moment.day} {moment:%b %Y}"
    return format_html('<time datetime="{}" title="{}">{}</time>', f"{moment:%Y-%m-%d}", instant_text(moment), text)


@register.filter
def backquotes(text: str) -> SafeString:
    """Text whose `backquoted` parts are code."""
    marked = BACKQUOTED.sub(r'<code class="inline-code">\1</code>', str(escape(text)))
    return mark_safe(marked)  # noqa: S308 - escaped before the code elements were put in


@register.filter
def breakable(name: str) -> SafeString:
    """A field name that may break where its parts meet, and nowhere else."""
    return mark_safe(str(escape(name)).replace("|", "|<wbr>").replace("[]", "<wbr>[]"))  # noqa: S308 - escaped before


@register.filter
def in_table(text: str) -> str:
    """For a cell of a Markdown table."""
    return text.replace("|", "\\|")


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon by name; decoration only, so say it in words too."""
    return mark_safe(f'<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">{ICONS[name]}</svg>')  # noqa: S308 - our own


@register.inclusion_tag("metering/parts/field.html")
def field(bound_field: object, label: str = "") -> dict[str, object]:
    """A form field with its label, help and errors, tied together for screen readers."""
    return {"field": bound_field, "label": label}
