"""Price versions: set a new one, withdraw one that is still to come. What is in force stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from metering.catalogue.models import PriceVersion, PriceVersionQuerySet
from metering.catalogue.set_price import parse_open_rates, set_price
from metering.catalogue.withdraw_price import withdraw_price
from metering.components import COMPONENTS, NAMES, component_named, open_rates, own_rates
from metering.console import figures
from metering.console.prices.factors import FactorForm, factor_page
from metering.console.prices.price_list import PRICE_LIST
from metering.console.prices.rates import (
    RATE_COLUMNS,
    open_rates_field,
    open_rates_text,
    rate_column_pairs,
    rate_field,
    stated_lines,
    with_rate_columns,
)
from metering.console.prices.rerating import rerating_link
from metering.dollars import usd_component_rate
from metering.revisions.rerating.rated import rated_since
from omixa_billing.instants import parse_instant
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage

STATE_LABELS = {"in force": "success", "to come": "info", "succeeded": "", "corrected": "warning"}


RatesForm = type("RatesForm", (forms.Form,), {each.name: rate_field(each) for each in COMPONENTS})


class PriceForm(RatesForm):  # type: ignore[valid-type,misc]  # its fields follow from the list of components
    field_order = ("model", "service_tier", *NAMES, "open_rates")
    model = fields.text("model", "As clients send it. An unknown one is created, unlisted.", max_length=300)
    service_tier = fields.text("service tier", "The tier that is served; “default” for most.", max_length=64)
    above_input_tokens = fields.number_field(
        "above input tokens", "Reprices the whole request above this many input tokens. 0: always.", min_value=0
    )
    open_rates = open_rates_field()
    workspace = fields.workspace(required=False, help_text="Only for this workspace. Empty: for all.")
    effective_from = fields.instant_field("effective from (UTC)", "Empty: now.", required=False)
    correct = fields.switch_field("correct", "Replace a wrong version that begins at the same time.")


class PriceStateFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state.capitalize()) for state in STATE_LABELS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = timezone.now()
        match self.value():
            case "to come":
                return queryset.filter(effective_from__gt=now, has_successor=False)
            case "in force":
                return queryset.filter(effective_from__lte=now, has_successor=False)
            case "succeeded":
                return queryset.filter(has_successor=True, is_corrected=False)
            case "corrected":
                return queryset.filter(is_corrected=True)
        return queryset


@with_rate_columns
class PriceVersionAdmin(OperatorAdmin):
    called = "Prices"
    when_empty = "Until a price is set, usage of a model is recorded and waits unpriced."
    may_add = True
    list_display = (
        "what",
        "for_whom",
        "begins",
        "state",
        *RATE_COLUMNS,
    )
    list_display_links = ("what",)
    list_filter = (("model", AutocompleteSelectFilter), ("workspace", AutocompleteSelectFilter), PriceStateFilter)
    list_select_related = ("model", "workspace")
    search_fields = ("public_id__exact", "model__slug__icontains")
    ordering = ("model__slug", "service_tier", "-effective_from", "-revision", "-id")
    sortable_by = ()
    fields = (
        ("model", "service_tier"),
        *rate_column_pairs(),
        ("other_rates", "derived"),
        ("for_whom", "above_input_tokens"),
        ("effective_from", "state"),
        ("public_id", "created_at"),
        "kept",
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    actions_list = ("set_factor",)
    actions_detail = ("succeed", "withdraw")

    def get_urls(self) -> list[Any]:
        price_list, factor = (self.admin_site.admin_view(view) for view in (self.price_list, self.factor))
        return [
            path("list/", price_list, name="metering_priceversion_list"),
            path("factor/", factor, name="metering_priceversion_factor"),
            *super().get_urls(),
        ]

    def price_list(self, request: HttpRequest) -> HttpResponseBase:
        return PRICE_LIST.respond(request, self)

    def factor(self, request: HttpRequest) -> HttpResponse:
        return factor_page(request, given_in_query(request, FactorForm), self.list_link).respond(request, self)

    @action(description="Set a tier by a factor", url_path="set-factor", icon="percent")
    def set_factor(self, request: HttpRequest) -> HttpResponse:
        return redirect(reverse("admin:metering_priceversion_factor"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceVersion]:
        """With `is_corrected`, and `has_successor`: a later version is in force, or this one was corrected."""
        versions = cast(PriceVersionQuerySet, super().get_queryset(request))
        return versions.with_succession(timezone.now())

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        actions = super().get_actions_detail(request, object_id)
        price = self.get_object(request, str(object_id))
        to_come = price is not None and price.effective_from > timezone.now()
        return [each for each in actions if to_come or each.path != "withdraw"]

    @display(description="other rates")
    def other_rates(self, price: PriceVersion) -> SafeString:
        """Of components without a column, as they are stated."""
        rates = open_rates(price).items()
        lines = [(component_named(name).title, usd_component_rate(rate, component_named(name))) for name, rate in rates]
        return format_html_join(mark_safe("<br>"), "{}: {}", lines) if lines else format_html("{}", "-")

    @display(description="made as")
    def derived(self, price: PriceVersion) -> str:
        """Whether its rates are a factor of the default tier's, which they follow."""
        return price.in_words or "rates of its own"

    @display(description="workspace", ordering="workspace__name")
    def for_whom(self, price: PriceVersion) -> str:
        return str(price.workspace or "all")

    @display(description="model and tier")
    def what(self, price: PriceVersion) -> SafeString:
        above = f", above {price.above_input_tokens:,} tokens" if price.above_input_tokens else ""
        factor = f", {price.factor_text} x default" if price.factor is not None else ""
        return figures.two_lines(str(price.model), f"{price.service_tier}{above}{factor}")

    @display(description="from (UTC)")
    def begins(self, price: PriceVersion) -> SafeString:
        return format_html('<span class="console-nowrap">{}</span>', f"{price.effective_from:%Y-%m-%d %H:%M}")

    @display(description="state", label=STATE_LABELS)
    def state(self, price: Any) -> str:
        if price.has_successor:
            return "corrected" if price.is_corrected else "succeeded"
        return "to come" if price.effective_from > timezone.now() else "in force"

    @display(description="rated before it was set")
    def kept(self, price: Any) -> SafeString:
        """Requests of its time that another version has rated, with the way to rate them again."""
        kept = events_of_later_versions(price)
        if not kept:
            return format_html("{}", "No request of its time keeps another price.")
        link = rerating_link(price.model, price.effective_from, price.workspace_id)
        words = f"{kept:,} {'request of its time keeps' if kept == 1 else 'requests of its time keep'} another version's price."
        return format_html('{} <a class="console-link" href="{}">See what re-rating would change</a>', words, link)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        def act(asked: dict[str, Any]) -> HttpResponse:
            price = set_price(
                asked["model"],
                **{name: asked[name] for name in NAMES},
                **parse_open_rates(stated_lines(asked["open_rates"])),
                service_tier=asked["service_tier"],
                above_input_tokens=asked["above_input_tokens"],
                workspace=asked["workspace"],
                effective_from=asked["effective_from"],
                correct=asked["correct"],
                actor=actor_of(request),
                now=timezone.now(),
            )
            messages.success(request, f"The price of {price.model} is set. Requests that waited for it are priced now.")
            warn_of_rated(request, price)
            return redirect(reverse("admin:metering_priceversion_change", args=[price.pk]))

        return FormPage(
            title="Set a price",
            act=act,
            back=reverse("admin:metering_priceversion_changelist"),
            form_class=PriceForm,
            intro="A price in force is never edited: a new version succeeds it, from its own time on.",
            submit="Set the price",
            initial={"service_tier": "default", "above_input_tokens": 0} | given_in_query(request, PriceForm),
        ).respond(request, self)

    @action(description="Succeed it", url_path="succeed", icon="upgrade")
    def succeed(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form for the next version, filled with this one's rates."""
        price = get_object_or_404(PriceVersion.objects.select_related("model"), pk=object_id)
        given = {
            "model": price.model.slug,
            "service_tier": price.service_tier,
            **own_rates(price),
            "open_rates": open_rates_text(price.open_rates),
            "above_input_tokens": price.above_input_tokens,
            "workspace": price.workspace_id,
        }
        return redirect(f"{reverse('admin:metering_priceversion_add')}?{query_of(given)}")

    @action(description="Withdraw", url_path="withdraw", icon="undo", variant=ActionVariant.DANGER)
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        price = get_object_or_404(PriceVersion.objects.select_related("model", "workspace"), pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            withdraw_price(price, actor_of(request), timezone.now())
            messages.success(request, f"The price of {price.model} from {price.effective_from:%Y-%m-%d %H:%M} is withdrawn.")
            return redirect(reverse("admin:metering_priceversion_changelist"))

        back = reverse("admin:metering_priceversion_change", args=[price.pk])
        corrected = " The versions that it corrected go with it." if price.revision else ""
        intro = f"{price} never comes into force. What is in force now stays.{corrected}"
        page = FormPage("Withdraw the price", act, back, intro=intro, danger=True)
        return page.respond(request, self, price)


def warn_of_rated(request: HttpRequest, price: PriceVersion) -> None:
    """Says how many requests a price from the past does not reach, if any."""
    if rated := events_of_later_versions(price):
        keep = "request was rated already and keeps its" if rated == 1 else "requests were rated already and keep their"
        since = f"{price.effective_from:%Y-%m-%d %H:%M} UTC"
        messages.warning(request, f"{rated:,} {keep} version: a price from {since} changes only what had none.")


def events_of_later_versions(price: PriceVersion) -> int:
    return rated_since(price) if price.effective_from < timezone.now() else 0


def as_instant(text: str) -> datetime | None:
    """A time from an address, or none where it is no time."""
    try:
        return parse_instant(text)
    except ValueError:
        return None


def given_in_query(request: HttpRequest, form_class: type[forms.Form]) -> dict[str, Any]:
    """What the address already fills in of a form."""
    given: dict[str, Any] = {name: request.GET[name] for name in form_class.base_fields if name in request.GET}
    if "effective_from" in given:
        given["effective_from"] = as_instant(given["effective_from"])
    return given


def query_of(given: dict[str, Any]) -> str:
    return urlencode({name: value for name, value in given.items() if value is not None})


admin.site.register(PriceVersion, PriceVersionAdmin)
