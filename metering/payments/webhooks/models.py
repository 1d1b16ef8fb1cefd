"""The inbox of Stripe's webhooks."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import Q

from metering.jobs.leases import Leased, LeasedQuerySet


class WebhookEventQuerySet(LeasedQuerySet["WebhookEvent"]):
    def unhandled(self) -> Self:
        """Those that wait, and those that failed."""
        return self.filter(status__in=["waiting", "failed"])


class WebhookEvent(Leased):
    """An event that Stripe sent, stored once and handled later from what Stripe says then."""

    LEASE = timedelta(minutes=5)

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        HANDLED = "handled", "Handled"
        IGNORED = "ignored", "Ignored"
        FAILED = "failed", "Failed"

    id = models.BigAutoField(primary_key=True)
    event_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=255)
    object_id = models.CharField(max_length=255, default="")
    payload = models.JSONField()
    created_at = models.DateTimeField()
    received_at = models.DateTimeField()
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.WAITING)
    handled_at = models.DateTimeField(null=True)

    objects = WebhookEventQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], condition=Q(status__in=["waiting", "failed"]), name="webhooks_to_be_handled"),
            models.Index(fields=["object_id"], condition=Q(type="payment_intent.succeeded"), name="webhooks_of_payments"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
