"""Sums of events by hour and by day, written in the events' own transaction and rebuildable; and re-rating jobs."""

from django.db import models

from metering.catalogue.models import LanguageModel
from metering.components import LONGEST_NAME
from metering.ingest.models import EventStatus, Provider, ServiceTier
from workspaces.ids import new_id
from workspaces.models import APIKey, Workspace


def rerating_id() -> str:
    return new_id("rrt")


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


class Quantity(models.Model):
    """How much of one other component the events of one row of a rollup used: above 0, for of none there is no row."""

    workspace = models.ForeignKey(Workspace, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    model = models.ForeignKey(LanguageModel, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    key = models.ForeignKey(APIKey, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    service_tier = models.ForeignKey(ServiceTier, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    provider = models.ForeignKey(Provider, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    status = models.SmallIntegerField(choices=EventStatus.choices)
    price_id = models.IntegerField()
    component = models.CharField(max_length=LONGEST_NAME, db_collation="C")
    quantity = models.BigIntegerField()

    class Meta:
        abstract = True


class HourlyQuantity(Quantity):
    """Beside HourlyRollup, by component."""

    pk = models.CompositePrimaryKey(
        "workspace_id", "hour", "model_id", "key_id", "service_tier_id", "provider_id", "status", "price_id", "component"
    )
    hour = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.component} of {self.workspace_id} {self.hour:%Y-%m-%dT%H}"


class DailyQuantity(Quantity):
    """Beside DailyRollup, by component."""

    pk = models.CompositePrimaryKey(
        "workspace_id", "day", "model_id", "key_id", "service_tier_id", "provider_id", "status", "price_id", "component"
    )
    day = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.component} of {self.workspace_id} {self.day:%Y-%m-%d}"


class DailyMargin(models.Model):
    """What requests cost us, by UTC day, of those where that is known; see margins.py. `cost` is what customers pay."""

    pk = models.CompositePrimaryKey("workspace_id", "day", "model_id", "key_id", "provider_id", "route")
    workspace = models.ForeignKey(Workspace, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    day = models.DateTimeField()
    model = models.ForeignKey(LanguageModel, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    key = models.ForeignKey(APIKey, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    provider = models.ForeignKey(Provider, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    route = models.TextField()
    requests = models.BigIntegerField()
    unpriced_requests = models.BigIntegerField()
    cost = models.DecimalField(max_digits=38, decimal_places=12)
    provider_cost = models.DecimalField(max_digits=38, decimal_places=12)

    def __str__(self) -> str:
        return f"{self.workspace_id} {self.day:%Y-%m-%d} {self.route}"


class SettledUsage(models.Model):
    """What a workspace used from `until` up to `through`, added up (settled_usage.py). Derived: without a row it is read again.

    Before `until` all that was used is billed, as things stood when they were as `basis` says.
    """

    workspace = models.OneToOneField(
        Workspace, on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="+"
    )
    until = models.DateTimeField()
    through = models.DateTimeField()
    # [[month, model's id, tier, price's public id, component, tokens]]
    sums = models.JSONField(default=list)
    basis = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.workspace_id} from {self.until:%Y-%m-%d} to {self.through:%Y-%m-%d}"


class Rerating(models.Model):
    """An operator's order to rate recorded events again by the prices as they are set now; see rerate.py.

    Its scope is fixed when it is made. It moves through the events in the order of (workspace, time, id), one transaction
    at a time, and its cursor is part of each: killed anywhere, it continues after its last commit.
    """

    class Status(models.TextChoices):
        RUNNING = "running", "Running"
        FINISHED = "finished", "Finished"

    public_id = models.CharField(max_length=32, unique=True, default=rerating_id, editable=False)
    actor = models.TextField()
    reason = models.TextField()
    # Null: every model, every workspace, up to the newest event.
    model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT, null=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, null=True)
    start = models.DateTimeField()
    end = models.DateTimeField()
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.RUNNING)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    # What the dry run said when the job was ordered, for comparison.
    plan = models.JSONField(default=list)
    # The last event that was looked at; null before the first.
    at_workspace = models.IntegerField(null=True)
    at_time = models.DateTimeField(null=True)
    at_event = models.BigIntegerField(null=True)
    examined = models.BigIntegerField(default=0)
    changed = models.BigIntegerField(default=0)
    priced = models.BigIntegerField(default=0)
    # Exact USD of the events it changed, unpriced ones taken as 0.
    cost_before = models.DecimalField(max_digits=38, decimal_places=12, default=0)
    cost_after = models.DecimalField(max_digits=38, decimal_places=12, default=0)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.public_id
