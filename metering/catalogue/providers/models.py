"""What providers charge us: cards beside our prices, of the same shape, by provider and route."""

from django.db import models
from django.utils import timezone

from metering.catalogue.models import LONGEST_TIER, LanguageModel, rates_are_not_negative, usd_rate_field
from metering.catalogue.versions import VersionQuerySet
from workspaces.ids import new_id

LONGEST_PROVIDER = 100  # characters, as events have them
LONGEST_ROUTE = 512


def provider_price_id() -> str:
    return new_id("ppr")


class ProviderPriceQuerySet(VersionQuerySet["ProviderPrice"]):
    SCOPE = ("provider", "route", "model_id", "service_tier", "above_input_tokens")


class ProviderPrice(models.Model):
    """What a provider charges us for a model in one tier from `effective_from` on, until a later version of its scope.

    One with a route comes before one without, which is for every route. Versions succeed and are corrected as those of our
    prices are; a version is never changed, and only a future one can be deleted: a trigger refuses the rest.
    """

    public_id = models.CharField(max_length=32, unique=True, default=provider_price_id, editable=False)
    provider = models.CharField(max_length=LONGEST_PROVIDER, help_text="As events name it.")
    route = models.CharField(max_length=LONGEST_ROUTE, blank=True, help_text="As events name it; empty: every route.")
    model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT, related_name="provider_prices")
    service_tier = models.CharField(max_length=LONGEST_TIER, default="default")
    above_input_tokens = models.PositiveIntegerField(default=0)
    effective_from = models.DateTimeField()
    revision = models.PositiveSmallIntegerField(default=0, editable=False)
    input_rate = usd_rate_field()
    cached_input_rate = usd_rate_field(optional=True)
    cache_write_rate = usd_rate_field(optional=True)
    output_rate = usd_rate_field()
    open_rates = models.JSONField(default=dict, blank=True)
    currency = models.CharField(max_length=3, default="USD", editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ProviderPriceQuerySet.as_manager()

    class Meta:
        ordering = ["provider", "route", "model", "service_tier", "-effective_from", "-revision"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "route", "model", "service_tier", "above_input_tokens", "effective_from", "revision"],
                name="one_provider_price_in_force_at_a_time",
            ),
            models.CheckConstraint(condition=rates_are_not_negative(), name="provider_rates_are_not_negative"),
            models.CheckConstraint(condition=~models.Q(provider=""), name="a_provider_price_names_its_provider"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.model} {self.service_tier} from {self.effective_from:%Y-%m-%d %H:%M}"
