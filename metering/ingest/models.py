"""The inbox, the events it becomes, what changed them since, and the quarantine of what is no event.

The tables written per event carry no foreign key constraints: every id in them comes from a row the writer just read, the
rows they point at are never deleted, and a check per row would cost more than the row.
"""

import json
from collections.abc import Sequence
from typing import Any, Self

import zstandard
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.providers.models import ProviderPrice
from metering.components import QUANTITIES
from workspaces.ids import new_id
from workspaces.models import APIKey, Gateway, Workspace


def compressed(body: bytes) -> bytes:
    """As bodies rest: in Zstandard, at the level that costs least."""
    return zstandard.compress(body, 1)


def decompressed(body: bytes) -> bytes:
    """The body again. Raises zstandard.ZstdError when it was damaged."""
    return zstandard.decompress(body)


class CompressedField(models.BinaryField):
    """Bytes that rest compressed. To migrations it is the plain column that it is."""

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return super().get_db_prep_value(None if value is None else compressed(value), connection, prepared)

    def from_db_value(self, value: Any, _expression: Any, _connection: Any) -> bytes | None:
        return None if value is None else decompressed(value)

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.BinaryField", args, kwargs


def batch_id() -> str:
    return new_id("bat")


def quarantine_id() -> str:
    return new_id("qrn")


class BatchQuerySet(models.QuerySet["Batch"]):
    def waiting(self) -> Self:
        """Those that no worker has recorded yet."""
        return self.filter(status=Batch.Status.PENDING)

    def fresh(self) -> Self:
        """Waiting ones that no worker has failed on."""
        return self.waiting().filter(failures=0)

    def failing(self) -> Self:
        """Waiting ones that a worker tried and could not record."""
        return self.waiting().filter(failures__gt=0)


class Batch(models.Model):
    """One request of a gateway, kept as it came: the inbox. Committed before the gateway hears 202.

    Partitioned by the UTC day of `received_at`. Processed days are dropped after a while (retention.py), so nothing that
    must last may lean on a batch: events keep its number, the quarantine has contents of its own.
    """

    class Kind(models.TextChoices):
        EVENTS = "events", "Events"
        CORRECTIONS = "corrections", "Corrections"

    class Source(models.TextChoices):
        HTTP = "http", "HTTP"
        LITELLM = "litellm", "LiteLLM"
        CLOUDEVENTS = "cloudevents", "CloudEvents"
        CELERY = "celery", "Celery"
        REPLAY = "replay", "Replay"

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        PROCESSED = "processed", "Processed"

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(max_length=32, db_index=True, default=batch_id, editable=False)
    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT, db_index=False)
    received_at = models.DateTimeField()
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.EVENTS)
    # The endpoint it came through. In every case the body is in the form of `POST /gateway/v1/events` (or corrections).
    source = models.CharField(max_length=16, choices=Source.choices, default=Source.HTTP)
    body = CompressedField()
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
    # What was not recorded: [{index, request_id, attempt, outcome, code, message}]. The endpoint writes what it refused,
    # the worker passes over those positions and adds the rest.
    items = models.JSONField(default=list)
    # What its sender reads of events that are accepted; not stored.
    warnings: Sequence[dict[str, Any]] = ()

    objects = BatchQuerySet.as_manager()

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
    # By a correction: it is no response any more, and counts nowhere.
    VOIDED = 3, "voided"


# The same in SQL, of a row's `status`.
IS_BILLED = f"status < {EventStatus.FAILED.value}"
IS_COUNTED = f"status < {EventStatus.VOIDED.value}"
IS_VOIDED = f"status = {EventStatus.VOIDED.value}"


class UsageSource(models.IntegerChoices):
    """Who counted the tokens."""

    PROVIDER = 0, "provider"
    ESTIMATED = 1, "estimated"


class EventIdentity(models.Model):
    """The claim that makes an event count once, for ever and across partitions: (workspace, request id, attempt).

    The request id stands in it as the first half of its SHA-256: ids are up to 512 characters, and an index over all
    events of all time should not grow with their length.
    """

    pk = models.CompositePrimaryKey("workspace_id", "request_hash", "attempt")
    workspace = models.ForeignKey(Workspace, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    request_hash = models.BinaryField()
    attempt = models.IntegerField()
    # Where the event lies, and a hash of its content: same hash, a duplicate; another, a conflict.
    occurred_at = models.DateTimeField()
    fingerprint = models.BinaryField()

    def __str__(self) -> str:
        return f"{bytes(self.request_hash).hex()}#{self.attempt}"


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
    # How much of each other component, by name; null where there is none.
    others = models.JSONField(null=True)
    # Null while unpriced. A failed response has cost 0 and no price.
    price = models.ForeignKey(PriceVersion, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True)
    cost = models.DecimalField(max_digits=30, decimal_places=12, null=True)
    # What the provider charges us, and by which of its cards: for operators only. Null while that is unknown.
    provider_price = models.ForeignKey(
        ProviderPrice, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True
    )
    provider_cost = models.DecimalField(max_digits=30, decimal_places=12, null=True)
    batch = models.ForeignKey(Batch, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    # Who sent it, and so may correct it. Null on events from before this was kept.
    gateway = models.ForeignKey(Gateway, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True)
    stream = models.BooleanField(null=True)
    latency_ms = models.IntegerField(null=True)
    time_to_first_token_ms = models.IntegerField(null=True)
    # What else the gateway said, as a JSON object: endpoint, route, user, metadata. Null when it said nothing.
    detail = models.TextField(null=True)
    # The usage object as it was sent, where it says more than the counts: what is learnt later can be read from it. Before it
    # stands the dialect that the event named, if any.
    usage = CompressedField(null=True)

    class Meta:
        ordering = ["-occurred_at", "-id"]

    def __str__(self) -> str:
        return f"{self.request_id}#{self.attempt}"

    @property
    def details(self) -> dict[str, Any]:
        """`detail` as a dict: any of endpoint, route, user, metadata."""
        return {} if self.detail is None else json.loads(self.detail)

    @property
    def is_unpriced(self) -> bool:
        return self.cost is None


# Of quarantined events about which nobody has decided, in SQL: as `open` asks.
IS_OPEN = "settled_at IS NULL"


class QuarantinedEventQuerySet(models.QuerySet["QuarantinedEvent"]):
    def open(self) -> Self:
        """Those about which nobody has decided."""
        return self.filter(settled_at__isnull=True)

    def settled(self) -> Self:
        """Those that were replayed or dismissed."""
        return self.filter(settled_at__isnull=False)


class QuarantinedEvent(models.Model):
    """An event that was not recorded, kept whole with its reason until an operator settles it."""

    class Outcome(models.TextChoices):
        REJECTED = "rejected", "Rejected"
        CONFLICT = "conflict", "Conflict"

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(max_length=32, unique=True, default=quarantine_id, editable=False)
    # The batch may be gone when its retention is over.
    batch = models.ForeignKey(Batch, on_delete=models.DO_NOTHING, related_name="quarantined", db_constraint=False)
    # Position in the batch.
    index = models.IntegerField()
    kind = models.CharField(max_length=16, choices=Batch.Kind.choices, default=Batch.Kind.EVENTS)
    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, null=True)
    # Whether an operator's replay sent it, so that the bounds of its gateway do not hold for it.
    by_operator = models.BooleanField(default=False)
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
    # The batch (its public id) in which the operator sent it again.
    replayed_in = models.CharField(max_length=32, blank=True, default="")
    # Exact USD that recording it would have billed when it was quarantined; null where that is unknown.
    estimated_cost = models.DecimalField(max_digits=30, decimal_places=12, null=True)

    objects = QuarantinedEventQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "index"], name="quarantined_once_per_position"),
        ]
        indexes = [
            models.Index(F("id").desc(), name="quarantine_open", condition=Q(settled_at__isnull=True)),
            models.Index(fields=["workspace"], name="quarantine_open_by_workspace", condition=Q(settled_at__isnull=True)),
            models.Index(fields=["created_at"], name="quarantine_over_time"),
            models.Index(fields=["replayed_in"], name="quarantine_by_replay", condition=~Q(replayed_in="")),
            models.Index(fields=["request_id"], name="quarantine_by_request_id"),
            # Those that came before their event: looked at whenever events may have arrived.
            models.Index(
                fields=["id"],
                name="corrections_waiting",
                condition=Q(settled_at__isnull=True, kind="corrections", code="unknown_event"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id}: {self.code}"


class EventCorrection(models.Model):
    """What changed an event after it was recorded: one row per change, appended and never edited; a trigger sees to it.

    In the database the primary key is (workspace, id); `id` alone is unique as well, and is what Django sees.
    Sums of `before` and `after` tell the event's whole history. Arrays of tokens are in the order of Counts.
    """

    class Action(models.TextChoices):
        VOID = "void", "Void"
        REPLACE = "replace", "Replace"
        RERATE = "rerate", "Re-rate"

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    request_id = models.TextField(db_collation="C")
    attempt = models.IntegerField()
    # The event itself: with the workspace its primary key.
    occurred_at = models.DateTimeField()
    event_id = models.BigIntegerField()
    action = models.CharField(max_length=16, choices=Action.choices)
    reason = models.TextField(blank=True, default="")
    # Whose doing: a gateway's name, or an operator's address.
    actor = models.TextField()
    recorded_at = models.DateTimeField()
    # Of a void or replacement: where it was sent, which orders it among others, and a hash of what it says, by which a
    # retry is known. What was read again has no position: whatever a gateway sent stands before it. Of a re-rating: the job.
    batch_id = models.BigIntegerField(null=True)
    index = models.IntegerField(null=True)
    fingerprint = models.UUIDField(null=True)
    rerating = models.ForeignKey("Rerating", on_delete=models.PROTECT, null=True, db_index=False, db_constraint=False)
    # False when a later correction, or a void, had been recorded before it: then before = after.
    took_effect = models.BooleanField(default=True)
    before_status = models.SmallIntegerField(choices=EventStatus.choices)
    before_source = models.SmallIntegerField(choices=UsageSource.choices)
    before_tokens = ArrayField(models.IntegerField(), size=len(QUANTITIES))
    before_others = models.JSONField(null=True)
    before_price_id = models.IntegerField(null=True)
    before_cost = models.DecimalField(max_digits=30, decimal_places=12, null=True)
    # The tiers that billed it; null on entries from before they could change.
    before_tier = models.ForeignKey(
        ServiceTier, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    after_tier = models.ForeignKey(
        ServiceTier, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    after_status = models.SmallIntegerField(choices=EventStatus.choices)
    after_source = models.SmallIntegerField(choices=UsageSource.choices)
    after_tokens = ArrayField(models.IntegerField(), size=len(QUANTITIES))
    after_others = models.JSONField(null=True)
    after_price_id = models.IntegerField(null=True)
    after_cost = models.DecimalField(max_digits=30, decimal_places=12, null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "request_id", "attempt", "fingerprint"],
                condition=Q(fingerprint__isnull=False),
                name="each_correction_counts_once",
            ),
            models.CheckConstraint(
                condition=Q(action="rerate", rerating__isnull=False, fingerprint__isnull=True)
                | Q(action__in=["void", "replace"], rerating__isnull=True, fingerprint__isnull=False, batch_id__isnull=False),
                name="a_correction_says_where_it_came_from",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "request_id", "attempt"], name="corrections_of_an_event"),
            models.Index(fields=["rerating"], name="corrections_of_a_rerating", condition=Q(rerating__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.action} of {self.request_id}#{self.attempt}"
