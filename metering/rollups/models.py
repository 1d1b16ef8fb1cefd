"""Sums of events by hour and by day, written in the events' own transaction and rebuildable from them."""

from django.db import models

from metering.catalogue.models import LanguageModel
from metering.ingest.models import EventStatus, Provider, ServiceTier
from workspaces.models import APIKey, Workspace


class Rollup(models.Model):
    """The columns both grains share. `price_id` 0 means none: unpriced, or failed and not billed."""

    workspace = models.ForeignKey(Workspace, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    model = models.ForeignKey(LanguageModel, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    key = models.ForeignKey(APIKey, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    service_tier = models.ForeignKey(ServiceTier, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    provider = models.ForeignKey(Provider, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    status = models.SmallIntegerField(choices=EventStatus.choices)
    price_id = models.IntegerField()
    requests = models.BigIntegerField()
    input_tokens = models.BigIntegerField()
    cached_input_tokens = models.BigIntegerField()
    cache_write_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    cost = models.DecimalField(max_digits=38, decimal_places=12)

    class Meta:
        abstract = True


class HourlyRollup(Rollup):
    """One row per workspace, UTC hour, model, key, tier, provider, status and price version."""

    pk = models.CompositePrimaryKey(
        "workspace_id", "hour", "model_id", "key_id", "service_tier_id", "provider_id", "status", "price_id"
    )
    hour = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.workspace_id} {self.hour:%Y-%m-%dT%H}"


class DailyRollup(Rollup):
    """The same per UTC day; `day` is its midnight."""

    pk = models.CompositePrimaryKey(
        "workspace_id", "day", "model_id", "key_id", "service_tier_id", "provider_id", "status", "price_id"
    )
    day = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.workspace_id} {self.day:%Y-%m-%d}"
