"""The inbox, the events it becomes, and the quarantine of what it does not.

The tables written per event carry no foreign key constraints: every id in them comes from a row the writer just read, the
rows they point at are never deleted, and a check per row would cost more than the row.
"""

import json
import zlib
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from metering.catalogue.models import LanguageModel, PriceVersion
from workspaces.ids import new_id
from workspaces.models import APIKey, Gateway, Workspace


class DeflatedField(models.BinaryField):
    """Bytes that rest compressed at zlib's fastest, which costs a third of what PostgreSQL's pglz does.

    To migrations it is the plain column that it is.
    """

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return super().get_db_prep_value(None if value is None else zlib.compress(value, 1), connection, prepared)

    def from_db_value(self, value: Any, _expression: Any, _connection: Any) -> bytes | None:
        return None if value is None else zlib.decompress(value)

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.BinaryField", args, kwargs


def batch_id() -> str:
    return new_id("bat")


def quarantine_id() -> str:
    return new_id("qrn")


class Batch(models.Model):
    """One request of a gateway, kept as it came: the inbox. Committed before the gateway hears 202."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        PROCESSED = "processed", "Processed"

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(max_length=32, unique=True, default=batch_id, editable=False)
    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT)
    received_at = models.DateTimeField()
    body = DeflatedField()
    event_count = models.IntegerField()
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    processed_at = models.DateTimeField(null=True)
    # How often a worker failed on it, and with what: a poison batch is retried alone.
    failures = models.IntegerField(default=0)
    last_error = models.TextField(blank=True, default="")
    recorded = models.IntegerField(default=0)
    duplicate = models.IntegerField(default=0)
    conflict = models.IntegerField(default=0)
    unpriced = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0)
    # Whatever was not recorded: [{index, request_id, attempt, outcome, code, message}]. The door writes what it refused,
    # the worker passes over those positions and adds the rest.
    items = models.JSONField(default=list)

    class Meta:
        verbose_name_plural = "batches"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], name="batches_waiting", condition=Q(status="pending")),
            models.Index(fields=["gateway", "-id"], name="batches_of_a_gateway"),
        ]

    def __str__(self) -> str:
        return self.public_id


class Provider(models.Model):
    """A provider name seen in events, as a small number. The empty name is that of events which name none."""

    id = models.SmallAutoField(primary_key=True)
    name = models.CharField(max_length=100, unique=True)

    def __str__(self) -> str:
        return self.name


class ServiceTier(models.Model):
    """A service tier name seen in events, as a small number."""

    id = models.SmallAutoField(primary_key=True)
    name = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return self.name


class EventStatus(models.IntegerChoices):
    """How the response ended. The first two are billed for the usage they carry."""

    SUCCEEDED = 0, "succeeded"
    ABORTED = 1, "aborted"
    FAILED = 2, "failed"


class UsageSource(models.IntegerChoices):
    """Who counted the tokens."""

    PROVIDER = 0, "provider"
    ESTIMATED = 1, "estimated"


class EventIdentity(models.Model):
    """The claim that makes an event count once, for ever and across partitions: (workspace, request id, attempt)."""

    pk = models.CompositePrimaryKey("workspace_id", "request_id", "attempt")
    workspace = models.ForeignKey(Workspace, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    request_id = models.TextField(db_collation="C")
    attempt = models.IntegerField()
    # Where the event lies, and a hash of its content: same hash, a duplicate; another, a conflict.
    occurred_at = models.DateTimeField()
    fingerprint = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.request_id}#{self.attempt}"


class UsageEvent(models.Model):
    """One response of a model: its tokens, its price version and its exact cost. Partitioned by month of `occurred_at`.

    In the database the primary key is (workspace, occurred_at, id); `id` alone is unique as well, and is what Django sees.
    """

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    request_id = models.TextField()
    attempt = models.IntegerField()
    key = models.ForeignKey(APIKey, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    model = models.ForeignKey(LanguageModel, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    service_tier = models.ForeignKey(ServiceTier, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    provider = models.ForeignKey(Provider, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    status = models.SmallIntegerField(choices=EventStatus.choices)
    usage_source = models.SmallIntegerField(choices=UsageSource.choices)
    # Tokens: cached and cache write are parts of input, reasoning is a part of output.
    input_tokens = models.IntegerField()
    cached_input_tokens = models.IntegerField()
    cache_write_tokens = models.IntegerField()
    output_tokens = models.IntegerField()
    reasoning_tokens = models.IntegerField()
    # Null while unpriced. A failed response has cost 0 and no price.
    price = models.ForeignKey(PriceVersion, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True)
    cost = models.DecimalField(max_digits=30, decimal_places=12, null=True)
    batch = models.ForeignKey(Batch, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    stream = models.BooleanField(null=True)
    latency_ms = models.IntegerField(null=True)
    time_to_first_token_ms = models.IntegerField(null=True)
    # What else the gateway said, as a JSON object: endpoint, route, user, metadata. Null when it said nothing.
    detail = models.TextField(null=True)

    class Meta:
        ordering = ["-occurred_at", "-id"]

    def __str__(self) -> str:
        return f"{self.request_id}#{self.attempt}"

    @property
    def uncached_input_tokens(self) -> int:
        return self.input_tokens - self.cached_input_tokens - self.cache_write_tokens

    @property
    def said(self) -> dict[str, Any]:
        """`detail` as a dict: any of endpoint, route, user, metadata."""
        return {} if self.detail is None else json.loads(self.detail)

    @property
    def is_unpriced(self) -> bool:
        return self.cost is None


class QuarantinedEvent(models.Model):
    """An event that was not recorded, kept whole with its reason until an operator settles it."""

    class Outcome(models.TextChoices):
        REJECTED = "rejected", "Rejected"
        CONFLICT = "conflict", "Conflict"

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(max_length=32, unique=True, default=quarantine_id, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="quarantined")
    # Position in the batch.
    index = models.IntegerField()
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, null=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    code = models.CharField(max_length=64)
    message = models.TextField()
    request_id = models.TextField(null=True)
    attempt = models.IntegerField(null=True)
    # The event's own bytes, as sent.
    content = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True)
    settlement = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "index"], name="quarantined_once_per_position"),
        ]
        indexes = [models.Index(F("id").desc(), name="quarantine_open", condition=Q(settled_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.public_id}: {self.code}"
