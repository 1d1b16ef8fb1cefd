"""How the customer pages write amounts, counts and times, and the small pieces of markup that repeat."""

import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from metering.catalogue.models import PriceVersion
from metering.components import Component, component_named, open_rates, own_rates
from metering.dollars import places_of, usd_component_rate, usd_exact, usd_in_micros, usd_rate, usd_rounded
from metering.website.icons import ICONS
from omixa_billing.instants import instant_text

register = template.Library()

BACKQUOTED = re.compile(r"`([^`]+)`")


register.filter("usd", usd_rounded)
register.filter("usd_exact", usd_exact)
register.filter("usd_rate", usd_rate)


@register.filter
def places(rows: Iterable[Any], name: str) -> int:
    """How many places show all the amounts of this name whole, so that their points stand in one column."""
    return places_of(getattr(row, name) for row in rows)


@register.filter
def usd_fine(amount: Decimal) -> SafeString:
    """For columns: six places, those after the cents in a lighter tone; the exact amount is in its title."""
    text = usd_in_micros(amount)
    return format_html('<span title="{}">{}<span class="money__fine">{}</span></span>', usd_exact(amount), text[:-4], text[-4:])


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
    return component_named(name).title


@register.filter("quantity_of")
def component_quantity(quantity: int, name: str) -> str:
    """So much of a component: 1,234 for tokens, 3 searches."""
    return component_named(name).quantity_text(quantity)


@register.filter("rate_of")
def component_rate(per_million: Decimal | None, name: str) -> str:
    """USD for a component as its rates are stated: $1.500000, $0.01 per search."""
    return usd_component_rate(per_million, component_named(name))


@register.filter("own_rates")
def components_with_rates(price: PriceVersion) -> list[tuple[Component, Decimal | None]]:
    """Each common component with the rate that the version has of its own."""
    return [(component_named(name), rate) for name, rate in own_rates(price).items()]


@register.filter("open_rates")
def other_components_with_rates(price: PriceVersion) -> list[tuple[Component, str]]:
    """Each other component that the version has a rate for, with that rate for as much as it is for."""
    rates = open_rates(price).items()
    return [(component_named(name), usd_exact(component_named(name).stated_rate(rate))) for name, rate in rates]


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


@register.inclusion_tag("website/parts/field.html")
def field(bound_field: object, label: str = "") -> dict[str, object]:
    """A form field with its label, help and errors, tied together for screen readers."""
    return {"field": bound_field, "label": label}
