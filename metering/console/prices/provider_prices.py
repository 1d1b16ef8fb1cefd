"""What providers charge us: cards by provider and route, in the order of their succession."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from metering.catalogue.providers.models import LONGEST_PROVIDER, LONGEST_ROUTE, ProviderPrice
from metering.catalogue.providers.set_provider_price import set_provider_price
from metering.catalogue.stated_rates import stated_rates
from metering.components import NAMES
from metering.console import figures
from metering.console.prices.price_list import rates_html
from metering.console.prices.prices import STATE_LABELS, RatesForm
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage


class ProviderPriceForm(RatesForm):
    field_order = ("provider", "route", "model", "service_tier", *NAMES)
    provider = fields.text("provider", "As events name it.", max_length=LONGEST_PROVIDER)
    route = fields.text("route", "As events name it. Empty: every route.", required=False, max_length=LONGEST_ROUTE)
    model = fields.text("model", "As events name it.", max_length=300)
    service_tier = fields.text("service tier", "The tier that is served; “default” for most.", max_length=64)
    above_input_tokens = fields.number_field("above input tokens", "0: always.", min_value=0)
    effective_from = fields.instant_field("effective from (UTC)", "Empty: now.", required=False)


class ProviderPriceAdmin(OperatorAdmin):
    called = "Provider costs"
    when_empty = "Until a card says what a provider charges, what its requests cost us is unknown. Import prices, or add one."
    may_add = True
    list_display = ("what", "provider", "route", "begins", "state", "rates")
    list_display_links = ("what",)
    list_filter = (("model", AutocompleteSelectFilter),)
    list_select_related = ("model",)
    search_fields = ("public_id__exact", "model__slug__icontains", "provider__icontains", "route__icontains")
    ordering = ("provider", "route", "model__slug", "service_tier", "-effective_from", "-revision", "-id")
    sortable_by = ()
    fields = (("provider", "route"), ("model", "service_tier"), "rates", ("above_input_tokens", "effective_from"), "public_id")
    readonly_fields = (
        "provider",
        "route",
        "model",
        "service_tier",
        "rates",
        "above_input_tokens",
        "effective_from",
        "public_id",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderPrice]:
        """With `has_successor`: a later version is in force."""
        same = ProviderPrice.objects.filter(
            **{name: OuterRef(name) for name in ("provider", "route", "model", "service_tier", "above_input_tokens")}
        )
        later = Q(effective_from__gt=OuterRef("effective_from"), effective_from__lte=timezone.now())
        return super().get_queryset(request).annotate(has_successor=Exists(same.filter(later)))

    @display(description="model and tier")
    def what(self, price: ProviderPrice) -> SafeString:
        above = f", above {price.above_input_tokens:,} tokens" if price.above_input_tokens else ""
        return figures.two_lines(price.model.slug, f"{price.service_tier}{above}")

    @display(description="from (UTC)")
    def begins(self, price: ProviderPrice) -> str:
        return figures.moment(price.effective_from)

    @display(description="state", label=STATE_LABELS)
    def state(self, price: Any) -> str:
        if price.has_successor:
            return "succeeded"
        return "to come" if price.effective_from > timezone.now() else "in force"

    @display(description="rates, USD")
    def rates(self, price: ProviderPrice) -> SafeString:
        return rates_html(stated_rates(price))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        def act(asked: dict[str, Any]) -> HttpResponse:
            price = set_provider_price(
                asked["provider"],
                asked["model"],
                **{name: asked[name] for name in NAMES},
                route=asked["route"],
                service_tier=asked["service_tier"],
                above_input_tokens=asked["above_input_tokens"],
                effective_from=asked["effective_from"],
                actor=actor_of(request),
                now=timezone.now(),
            )
            messages.success(request, f"What {price.provider} charges for {price.model} is set. New requests have their cost.")
            return redirect(reverse("admin:metering_providerprice_change", args=[price.pk]))

        return FormPage(
            title="Set a provider's cost",
            act=act,
            back=self.list_link,
            form_class=ProviderPriceForm,
            intro="What a provider charges us. Customers do not see it.",
            submit="Set the cost",
            initial={"service_tier": "default", "above_input_tokens": 0},
        ).respond(request, self)


admin.site.register(ProviderPrice, ProviderPriceAdmin)
