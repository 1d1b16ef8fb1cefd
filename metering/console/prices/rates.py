"""The rates of price versions on operators' pages: a column, and a field of the form, for each component."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django import forms
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.decorators import display
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextareaWidget

from metering.catalogue.models import PriceVersion
from metering.components import COMPONENTS, Component
from metering.console import figures

Admin = TypeVar("Admin")
# By their methods' names: in tables of versions, and in the table that a model's page has.
RATE_COLUMNS = {f"{each.heading}_price": each for each in COMPONENTS}
INLINE_RATE_COLUMNS = {each.heading: each for each in COMPONENTS}


def with_rate_columns(admin: type[Admin]) -> type[Admin]:
    """Adds the methods of RATE_COLUMNS, in dollars per million."""
    for name, component in RATE_COLUMNS.items():
        setattr(admin, name, _rate_column(component, f"{component.heading} $/M"))
    return admin


def with_inline_rate_columns(admin: type[Admin]) -> type[Admin]:
    """Adds the methods of INLINE_RATE_COLUMNS, under a heading that says what the rates are."""
    for name, component in INLINE_RATE_COLUMNS.items():
        setattr(admin, name, _rate_column(component, component.label))
    return admin


def _rate_column(component: Component, description: str) -> Callable[[Any, PriceVersion], SafeString]:
    @display(description=description)
    def rate(_admin: Any, price: PriceVersion) -> SafeString:
        return figures.rate_html(getattr(price, component.rate))

    return rate


def rate_column_pairs() -> tuple[tuple[str, ...], ...]:
    """Two in a line, those that every version has before the others."""
    names = sorted(RATE_COLUMNS, key=lambda name: bool(RATE_COLUMNS[name].fallback))
    return tuple(tuple(names[at : at + 2]) for at in range(0, len(names), 2))


def rate_field(component: Component) -> forms.DecimalField:
    """USD per million; what a rate may be is decided where prices are set."""
    help_text = f"USD per million {component.unit}s, at most six decimals. 0 is free."
    if component.fallback:
        help_text = f"Empty: {component.plural} cost the {component.fallback_label} rate."
    return forms.DecimalField(
        label=capfirst(component.label),
        help_text=help_text,
        required=not component.fallback,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "inputmode": "decimal"}),
    )


def open_rates_field() -> forms.CharField:
    """Rates of components without a field of their own."""
    return forms.CharField(
        label="Other rates",
        required=False,
        strip=False,
        help_text="One in a line, USD: web_search = 0.01, audio_input = 40, image/high = 0.167. Tokens by the million.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


def open_rates_text(rates: Mapping[str, str]) -> str | None:
    """As the field has them; None where there are none."""
    return "\n".join(f"{name} = {rate}" for name, rate in rates.items()) or None


def stated_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]
