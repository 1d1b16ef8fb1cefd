"""Language models, and the versions of their prices."""

from decimal import Decimal
from functools import reduce
from operator import and_

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from metering.catalogue.versions import VersionQuerySet
from metering.components import COMPONENTS
from workspaces.ids import new_id
from workspaces.models import Workspace

LONGEST_TIER = 64  # characters of a service tier's name


def price_id() -> str:
    return new_id("price")


class LanguageModel(models.Model):
    """A large language model, as its public page describes it.

    A name that only ever arrived in usage events has a row too (`status` discovered), so that every event points at one.
    """

    class Status(models.TextChoices):
        LISTED = "listed", "Listed"
        UNLISTED = "unlisted", "Unlisted"
        DISCOVERED = "discovered", "Discovered in usage"

    slug = models.CharField("model", max_length=300, unique=True, help_text="The name that clients send as `model`.")
    name = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.LISTED)
    # Rated as the model it stands for: an alias has no prices of its own.
    alias_of = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="aliases")
    provider = models.CharField(max_length=100, blank=True)
    endpoint_type = models.CharField(max_length=100, blank=True)
    context_window = models.PositiveIntegerField("context window, tokens", null=True, blank=True)
    max_output_tokens = models.PositiveIntegerField(null=True, blank=True)
    streaming = models.BooleanField(default=True)
    tools = models.BooleanField("tool calling", default=False)
    attachments = models.BooleanField("inline attachments", default=False)
    reasoning_efforts = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    service_tiers = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    # The optional request fields its page documents, in order; see catalogue/reference.py.
    request_fields = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(condition=~Q(alias_of=models.F("id")), name="alias_stands_for_another_model"),
        ]

    def __str__(self) -> str:
        return self.slug


def usd_rate_field(optional: bool = False) -> models.DecimalField:
    """A rate in USD per million tokens, six decimals."""
    return models.DecimalField(
        max_digits=16, decimal_places=6, validators=[MinValueValidator(Decimal(0))], null=optional, blank=optional
    )


def rates_are_not_negative() -> Q:
    """Of every component; one that falls back on another may have none."""
    needed = Q(**{f"{each.rate}__gte": 0 for each in COMPONENTS if not each.fallback})
    optional = [Q(**{f"{each.rate}__isnull": True}) | Q(**{f"{each.rate}__gte": 0}) for each in COMPONENTS if each.fallback]
    return reduce(and_, optional, needed)


class PriceVersionQuerySet(VersionQuerySet["PriceVersion"]):
    SCOPE = ("model_id", "service_tier", "workspace_id", "above_input_tokens")


class PriceVersion(models.Model):
    """What a model costs in one service tier from `effective_from` on, until a later version of the same scope succeeds it.

    Of the versions for one (model, tier, workspace, threshold) the one in force at an instant is the one with the latest
    `effective_from` not after it, and of several with the same beginning the one with the highest `revision`: so a wrong
    price is corrected from its very beginning without touching it. The unique constraint makes that one. A version is
    never changed, and only a future one can be deleted (withdrawn): a trigger refuses the rest.
    """

    public_id = models.CharField(max_length=32, unique=True, default=price_id, editable=False)
    model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT, related_name="prices")
    # As long as an event may name it: what was served can always be priced.
    service_tier = models.CharField(max_length=LONGEST_TIER, default="default")
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, null=True, blank=True, help_text="Only for this workspace; empty: for all."
    )
    above_input_tokens = models.PositiveIntegerField(
        default=0, help_text="Reprices the whole request when its total input is strictly above this many tokens."
    )
    effective_from = models.DateTimeField()
    # 0, and one more for each correction of a version with the same beginning.
    revision = models.PositiveSmallIntegerField(default=0, editable=False)
    input_rate = usd_rate_field()
    cached_input_rate = usd_rate_field(optional=True)
    cache_write_rate = usd_rate_field(optional=True)
    output_rate = usd_rate_field()
    # Those of other components that it has, by name, as text with all their decimals; USD per `per` of the component.
    open_rates = models.JSONField(default=dict, blank=True)
    # Where its rates are so many times those of a version of the default tier: that one, and how many times.
    base = models.ForeignKey("self", on_delete=models.PROTECT, null=True, editable=False, related_name="derived")
    factor = models.DecimalField(max_digits=12, decimal_places=6, null=True, editable=False)
    currency = models.CharField(max_length=3, default="USD", editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = PriceVersionQuerySet.as_manager()

    class Meta:
        ordering = ["model", "service_tier", "-effective_from", "-revision"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "service_tier", "workspace", "above_input_tokens", "effective_from", "revision"],
                nulls_distinct=False,
                name="one_price_in_force_at_a_time",
            ),
            models.CheckConstraint(condition=rates_are_not_negative(), name="rates_are_not_negative"),
            models.CheckConstraint(
                condition=Q(base__isnull=True, factor__isnull=True) | Q(base__isnull=False, factor__gte=0),
                name="a_derived_price_has_a_base_and_a_factor",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.service_tier} from {self.effective_from:%Y-%m-%d %H:%M}"

    @property
    def factor_text(self) -> str | None:
        """Without zeros at its end, as `0.5`."""
        return None if self.factor is None else f"{self.factor.normalize():f}"

    @property
    def in_words(self) -> str:
        """Such as `0.5 times the default tier's rates`; empty where it has rates of its own."""
        return "" if self.factor is None else f"{self.factor_text} times the default tier's rates"
