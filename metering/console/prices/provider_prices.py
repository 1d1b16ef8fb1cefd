"""What providers charge us: cards by provider and route, in the order of their succession."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from kombu.exceptions import OperationalError
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from metering.catalogue.providers.models import LONGEST_PROVIDER, LONGEST_ROUTE, ProviderPrice, ProviderPriceQuerySet
from metering.catalogue.providers.set_provider_price import set_provider_price
from metering.catalogue.providers.withdraw_provider_price import withdraw_provider_price
from metering.catalogue.set_price import parse_open_rates
from metering.catalogue.stated_rates import stated_rates
from metering.components import NAMES, own_rates
from metering.console import figures
from metering.console.prices.price_list import rates_html
from metering.console.prices.prices import STATE_LABELS, RatesForm, given_in_query, query_of
from metering.console.prices.rates import open_rates_field, open_rates_text, stated_lines
from metering.ingest.formats.events import MAX_AHEAD
from metering.jobs.order_job import order_job
from metering.revisions.provider_costs import looked_at_since, recorded_since
from metering.revisions.tasks import WORK_OUT_COSTS
from omixa_billing.instants import instant_text
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage


class ProviderPriceForm(RatesForm):
    field_order = ("provider", "route", "model", "service_tier", *NAMES, "open_rates")
    provider = fields.text("provider", "As events name it.", max_length=LONGEST_PROVIDER)
    route = fields.text("route", "As events name it. Empty: every route.", required=False, max_length=LONGEST_ROUTE)
    model = fields.text("model", "As events name it.", max_length=300)
    service_tier = fields.text("service tier", "The tier that is served; “default” for most.", max_length=64)
    above_input_tokens = fields.number_field("above input tokens", "0: always.", min_value=0)
    open_rates = open_rates_field()
    effective_from = fields.instant_field("effective from (UTC)", "Empty: now.", required=False)
    correct = fields.switch_field("correct", "Replace a wrong version that begins at the same time.")


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
    fields = (
        ("provider", "route"),
        ("model", "service_tier"),
        "rates",
        ("above_input_tokens", "effective_from"),
        ("state", "public_id"),
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    actions_detail = ("succeed", "work_out", "withdraw")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        actions = super().get_actions_detail(request, object_id)
        price = self.get_object(request, str(object_id))
        to_come = price is not None and price.effective_from > timezone.now()
        return [each for each in actions if to_come or each.path != "withdraw"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderPrice]:
        """With `is_corrected`, and `has_successor`: a later version is in force, or this one was corrected."""
        versions = cast(ProviderPriceQuerySet, super().get_queryset(request))
        return versions.with_succession(timezone.now())

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
            return "corrected" if price.is_corrected else "succeeded"
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
                **parse_open_rates(stated_lines(asked["open_rates"])),
                route=asked["route"],
                service_tier=asked["service_tier"],
                above_input_tokens=asked["above_input_tokens"],
                effective_from=asked["effective_from"],
                correct=asked["correct"],
                actor=actor_of(request),
                now=timezone.now(),
            )
            messages.success(request, f"What {price.provider} charges for {price.model} is set. New requests have their cost.")
            _warn_of_recorded(request, price)
            return redirect(reverse("admin:metering_providerprice_change", args=[price.pk]))

        return FormPage(
            title="Set a provider's cost",
            act=act,
            back=self.list_link,
            form_class=ProviderPriceForm,
            intro="What a provider charges us. Customers do not see it.",
            submit="Set the cost",
            initial={"service_tier": "default", "above_input_tokens": 0} | given_in_query(request, ProviderPriceForm),
        ).respond(request, self)

    @action(description="Succeed it", url_path="succeed", icon="upgrade")
    def succeed(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form for the next version, filled with this one's rates."""
        price = get_object_or_404(ProviderPrice.objects.select_related("model"), pk=object_id)
        given = {
            "provider": price.provider,
            "route": price.route or None,
            "model": price.model.slug,
            "service_tier": price.service_tier,
            **own_rates(price),
            "open_rates": open_rates_text(price.open_rates),
            "above_input_tokens": price.above_input_tokens,
        }
        return redirect(f"{reverse('admin:metering_providerprice_add')}?{query_of(given)}")

    @action(description="Work out costs again", url_path="work-out", icon="calculate")
    def work_out(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Of the requests of its time, by all cards as they are set now: a job, since there may be millions."""
        price = get_object_or_404(ProviderPrice.objects.select_related("model"), pk=object_id)
        many = looked_at_since(price)

        def act(asked: dict[str, Any]) -> HttpResponse:
            now = timezone.now()
            begin, end = instant_text(price.effective_from), instant_text(now + MAX_AHEAD)
            try:
                order_job(WORK_OUT_COSTS, actor_of(request), now, model=price.model.slug, start=begin, end=end)
            except (OperationalError, OSError) as error:
                messages.error(request, f"The broker does not accept the job, and no cost was worked out: {error}")
                return redirect(back)
            messages.success(
                request,
                f"Costs of {price.model} are being worked out. Their run, “Work out costs again”, shows the result here.",
            )
            return redirect(reverse("admin:metering_jobrun_changelist"))

        back = reverse("admin:metering_providerprice_change", args=[price.pk])
        intro = (
            f"What requests of {price.model} cost us since {figures.moment(price.effective_from)} is worked out again, by what "
            f"all providers' cards say now. {many:,} are looked at. What customers pay stays."
        )
        return FormPage("Work out costs again", act, back, intro=intro).respond(request, self, price)

    @action(description="Withdraw", url_path="withdraw", icon="undo", variant=ActionVariant.DANGER)
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        price = get_object_or_404(ProviderPrice.objects.select_related("model"), pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            withdraw_provider_price(price, actor_of(request), timezone.now())
            messages.success(request, f"What {price.provider} was to charge for {price.model} is withdrawn.")
            return redirect(self.list_link)

        back = reverse("admin:metering_providerprice_change", args=[price.pk])
        corrected = " The versions that it corrected go with it." if price.revision else ""
        intro = f"{price} never comes into force. What is in force now stays.{corrected}"
        page = FormPage("Withdraw the cost", act, back, intro=intro, danger=True)
        return page.respond(request, self, price)


def _warn_of_recorded(request: HttpRequest, price: ProviderPrice) -> None:
    """Says how to reach the requests that a card from the past does not reach by itself, if there are any."""
    if price.effective_from < timezone.now() and (recorded := recorded_since(price)):
        was = "request of its time was" if recorded == 1 else "requests of its time were"
        messages.warning(
            request, f"{recorded:,} {was} recorded before, with another cost or none. Work it out here, or by {_command(price)}"
        )


def _command(price: ProviderPrice) -> str:
    return f"manage.py rerate_provider_costs {price.model} --from {instant_text(price.effective_from)}"


admin.site.register(ProviderPrice, ProviderPriceAdmin)
