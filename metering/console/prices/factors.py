"""A tier at so many times the default tier's rates: batch at half, a region at a tenth more. It follows from then on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from metering.catalogue.imports.cards import bare_rate
from metering.catalogue.models import PriceVersion
from metering.catalogue.set_price import factored_rates, set_factor
from metering.components import component_named
from metering.console import figures
from workspaces.console.kit import fields
from workspaces.console.kit.base import actor_of
from workspaces.console.kit.pages import FormPage, Preview

INTRO = (
    "Rates are worked out now, and again whenever the default tier gets another price, until the tier is given rates of its "
    "own. A workspace with prices of its own has factors of its own."
)


class FactorForm(forms.Form):
    model = fields.text("model", "As clients send it.", max_length=300)
    service_tier = fields.text(
        "service tier",
        "As usage names it: batch, flex, priority; a speed or a region such as fast or us; or several, as priority+fast+us.",
        max_length=64,
    )
    factor = fields.amount("times the default tier's rates", "0.5 is half of every rate. At most six decimals.")
    workspace = fields.workspace(required=False, help_text="Of this workspace's own prices. Empty: of the list.")
    effective_from = fields.instant_field("effective from (UTC)", "Empty: now.", required=False)


def factor_page(request: HttpRequest, initial: dict[str, Any], back: str) -> FormPage:
    """Shows the rates that it comes to before they are set."""

    def preview(asked: dict[str, Any]) -> Preview:
        at = asked["effective_from"] or timezone.now()
        found = factored_rates(asked["model"], asked["service_tier"], asked["factor"], at=at, workspace=asked["workspace"])
        count = f"{len(found)} price{'' if len(found) == 1 else 's'}"
        begins = figures.moment(at) if asked["effective_from"] else "now"
        facts = [
            ("Times the default tier's", f"{asked['factor']:f}"),
            ("For", str(asked["workspace"] or "all")),
            ("Begins", begins),
        ]
        facts += [(_above(base), _in_words(rates)) for base, rates in found]
        return Preview(facts, f"Set {count} of {asked['model']}, {asked['service_tier']}")

    def act(asked: dict[str, Any]) -> HttpResponse:
        made = set_factor(**asked, actor=actor_of(request), now=timezone.now())
        messages.success(request, f"{made[0].service_tier.capitalize()} of {made[0].model} is {made[0].in_words}.")
        return redirect(reverse("admin:metering_priceversion_change", args=[made[0].pk]))

    return FormPage("Set a tier by a factor", act, back, FactorForm, INTRO, "Show the rates", initial=initial, preview=preview)


def _above(base: PriceVersion) -> str:
    return f"Above {base.above_input_tokens:,} input tokens" if base.above_input_tokens else "Rates, USD"


def _in_words(rates: dict[str, Decimal]) -> str:
    return ", ".join(f"{component_named(name).label} {bare_rate(rate)}" for name, rate in rates.items())
