"""What happened, and where programs are notified of it."""

from datetime import datetime, timedelta
from typing import ClassVar, Self
from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from metering.jobs.leases import Leased, LeasedQuerySet
from workspaces.ids import new_id
from workspaces.models import Workspace


def notification_id() -> str:
    return new_id("evt")


def webhook_id() -> str:
    return new_id("hook")


def delivery_id() -> str:
    return new_id("dlv")


def is_success(answer_status: int | None) -> bool:
    """Whether a receiver has it: after Standard Webhooks, by any 2xx and by nothing else."""
    return answer_status is not None and answer_status // 100 == 2


class Notification(models.Model):
    """One thing that happened, written in the transaction in which it did. One per key, whatever runs twice or races."""

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(max_length=32, unique=True, default=notification_id, editable=False)
    # Null: it concerns those who run the product, and no customer.
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, null=True, related_name="+")
    # One of NOTIFICATION_TYPES.
    type = models.CharField(max_length=64)
    # What it is about, such as "invoice.paid:inv_…".
    key = models.CharField(max_length=200, unique=True)
    # As the API prints what it is about.
    data = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["created_at"], name="notifications_by_age")]

    def __str__(self) -> str:
        return f"{self.type} {self.public_id}"


class WebhookEndpoint(models.Model):
    """An address that is notified by Standard Webhooks: of one workspace, or of those who run the product."""

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        DISABLED = "disabled", "Disabled"

    class Reason(models.TextChoices):
        """Why it is disabled."""

        MANUAL = "manual", "Disabled by a person or a program"
        GONE = "gone", "It answered 410 Gone"
        FAILING = "failing", "Every delivery failed for five days"

    public_id = models.CharField(max_length=32, unique=True, default=webhook_id, editable=False)
    # Null: the operators', which is notified of what concerns any workspace.
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, null=True, related_name="webhooks")
    url = models.CharField(max_length=2048)
    # Of which of NOTIFICATION_TYPES; null: of all, also of those that there will be.
    types = ArrayField(models.CharField(max_length=64), null=True)
    description = models.CharField(max_length=200, default="", blank=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ACTIVE)
    disabled_because = models.CharField(max_length=16, choices=Reason.choices, default="", blank=True)
    disabled_at = models.DateTimeField(null=True)
    # Since when each attempt fails; null after one that succeeded.
    failing_since = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="active", disabled_because="", disabled_at=None)
                | (Q(status="disabled", disabled_at__isnull=False) & ~Q(disabled_because="")),
                name="a_disabled_webhook_says_since_when_and_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} {self.url}"

    @property
    def is_active(self) -> bool:
        return self.status == self.Status.ACTIVE

    @property
    def host(self) -> str:
        """For people: whose address it is."""
        return urlsplit(self.url).netloc


class WebhookSecretQuerySet(models.QuerySet["WebhookSecret"]):
    def valid(self, now: datetime) -> Self:
        """What requests are signed with, the newest first: the current one, and those that it replaces for a while."""
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now)).order_by("-pk")


class WebhookSecret(models.Model):
    """What the requests to one endpoint are signed with, sealed (workspaces/sealed.py)."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="secrets")
    sealed = models.TextField()
    created_at = models.DateTimeField()
    # Null: the current one. Others sign too until then, so that a receiver may change to the new one in its own time.
    expires_at = models.DateTimeField(null=True)

    objects = WebhookSecretQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint"], condition=Q(expires_at__isnull=True), name="one_current_secret_per_webhook"
            ),
        ]

    def __str__(self) -> str:
        return f"Secret of {self.endpoint_id} since {self.created_at:%Y-%m-%d}"

    def is_valid(self, now: datetime) -> bool:
        """As `valid` asks for it: deliveries fetch the secrets of all their endpoints at once."""
        return self.expires_at is None or self.expires_at > now


class WebhookDeliveryQuerySet(LeasedQuerySet["WebhookDelivery"]):
    def waiting(self) -> Self:
        return self.filter(status=WebhookDelivery.Status.WAITING)


class WebhookDelivery(Leased):
    """One notification on its way to one endpoint. Sent until it is answered with a 2xx, or the retries are used up."""

    LEASE: ClassVar[timedelta] = timedelta(minutes=1)

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(max_length=32, unique=True, default=delivery_id, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="deliveries")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.WAITING)
    created_at = models.DateTimeField()
    # While a process sends it, and after one that died while it did: see next_try_at.
    sending_since = models.DateTimeField(null=True)
    # Of all time; `tries` are the failures since it was last asked to be sent.
    attempt_count = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["notification", "endpoint"], name="one_delivery_per_notification_and_webhook"),
        ]
        indexes = [
            models.Index(fields=["endpoint", "-id"], name="deliveries_of_a_webhook"),
            models.Index(fields=["endpoint", "next_try_at"], condition=Q(status="waiting"), name="deliveries_waiting"),
            models.Index(fields=["endpoint"], condition=Q(sending_since__isnull=False), name="deliveries_being_sent"),
            models.Index(fields=["finished_at"], condition=Q(finished_at__isnull=False), name="deliveries_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} {self.status}"

    def is_being_sent(self, now: datetime) -> bool:
        return self.sending_since is not None and self.next_try_at is not None and self.next_try_at > now


class WebhookAttempt(models.Model):
    """One request to an endpoint, and its answer."""

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField()
    sent_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    url = models.CharField(max_length=2048)
    # As sent; the body is the notification's.
    request_headers = models.JSONField()
    # Null: there was no answer, and `error` says why.
    answer_status = models.PositiveSmallIntegerField(null=True)
    # Its beginning.
    answer_body = models.TextField(default="", blank=True)
    error = models.CharField(max_length=500, default="", blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["delivery", "number"], name="attempts_of_a_delivery_are_numbered"),
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id}: {self.answer_status or self.error}"

    @property
    def succeeded(self) -> bool:
        return is_success(self.answer_status)

    @property
    def number_text(self) -> str:
        return str(self.number)
