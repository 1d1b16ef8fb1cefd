"""Language models as their public pages describe them, with what they cost now."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.postgres.fields import ArrayField
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.console import figures
from metering.console.prices.rates import INLINE_RATE_COLUMNS, with_inline_rate_columns
from workspaces.console.kit.base import OperatorAdmin, ReadOnlyInline

STATUS_LABELS = {"listed": "success", "unlisted": "info", "discovered": "warning"}


def current_prices(now: datetime) -> QuerySet[PriceVersion]:
    """The version of each outer model that everybody pays in the default tier, for a Subquery."""
    of_everybody = PriceVersion.objects.filter(
        model=OuterRef("pk"), service_tier="default", workspace__isnull=True, above_input_tokens=0
    )
    return of_everybody.in_force(now)


class PriceFilter(DropdownFilter):
    title = "price"
    parameter_name = "priced"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Without a price"), ("yes", "With a price")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> QuerySet[LanguageModel]:
        """An alias is rated as the model it stands for, so it lacks nothing."""
        prices = Exists(PriceVersion.objects.filter(model=OuterRef("pk"), effective_from__lte=timezone.now()))
        match self.value():
            case "no":
                return queryset.filter(~prices, alias_of__isnull=True)
            case "yes":
                return queryset.filter(prices)
        return queryset


@with_inline_rate_columns
class PricesOfAModel(ReadOnlyInline):
    model = PriceVersion
    fields = ("service_tier", "workspace", "above_input_tokens", "effective_from", *INLINE_RATE_COLUMNS, "page")
    readonly_fields = fields
    ordering = ("service_tier", "-effective_from", "-id")
    per_page = 20
    verbose_name_plural = "price versions, newest first (USD per million tokens)"

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceVersion]:
        return super().get_queryset(request).select_related("workspace", "model")


class LanguageModelAdmin(OperatorAdmin):
    """A model's page may be edited at any time; its prices are only ever succeeded."""

    may_add = True
    may_change = True
    list_display = ("slug", "title", "status_label", "provider", "context", "price_in", "price_out", "alias_of")
    list_filter = (("status", ChoicesDropdownFilter), PriceFilter)
    list_select_related = ("alias_of",)
    search_fields = ("slug__icontains", "name__icontains")
    ordering = ("slug",)
    autocomplete_fields = ("alias_of",)
    # A few short words each: written with commas between them.
    formfield_overrides = {ArrayField: {"widget": UnfoldAdminTextInputWidget}}
    inlines = (PricesOfAModel,)
    actions_detail = ("add_price",)
    fieldsets = (
        (None, {"fields": (("slug", "name"), ("status", "alias_of"), ("provider", "endpoint_type"), "description")}),
        (
            "What it can do",
            {
                "fields": (
                    ("context_window", "max_output_tokens"),
                    ("streaming", "tools"),
                    "attachments",
                    ("reasoning_efforts", "service_tiers"),
                    "request_fields",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[LanguageModel]:
        prices = current_prices(timezone.now())
        rates = {
            "current_input": Subquery(prices.values("input_rate")[:1]),
            "current_output": Subquery(prices.values("output_rate")[:1]),
        }
        return super().get_queryset(request).annotate(**rates)

    def get_readonly_fields(self, request: HttpRequest, obj: LanguageModel | None = None) -> tuple[str, ...]:
        """The name that events carry stays: usage and invoices speak of it."""
        return ("slug",) if obj else ()

    @display(description="name")
    def title(self, model: LanguageModel) -> str:
        return model.name or "-"

    @display(description="status", label=STATUS_LABELS)
    def status_label(self, model: LanguageModel) -> str:
        return model.status

    @display(description="context window")
    def context(self, model: LanguageModel) -> SafeString:
        return figures.count_html(model.context_window)

    @display(description="input $/M", ordering="current_input")
    def price_in(self, model: Any) -> SafeString:
        return figures.rate_html(model.current_input)

    @display(description="output $/M", ordering="current_output")
    def price_out(self, model: Any) -> SafeString:
        return figures.rate_html(model.current_output)

    @action(description="Add a price", url_path="add-price", icon="sell")
    def add_price(self, request: HttpRequest, object_id: str) -> HttpResponse:
        model = get_object_or_404(LanguageModel, pk=object_id)
        return redirect(f"{reverse('admin:metering_priceversion_add')}?{urlencode({'model': model.slug})}")


admin.site.register(LanguageModel, LanguageModelAdmin)
