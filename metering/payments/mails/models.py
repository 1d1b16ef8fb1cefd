"""Mails to be sent."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import Q

from metering.jobs.leases import Leased, LeasedQuerySet
from workspaces.models import Workspace


class NoticeQuerySet(LeasedQuerySet["Notice"]):
    def unsent(self) -> Self:
        return self.filter(sent_at__isnull=True)

    def waiting(self) -> Self:
        """Those that are still tried."""
        return self.unsent().filter(undeliverable="")

    def failing(self) -> Self:
        """Tried, and not sent yet."""
        return self.unsent().filter(tries__gt=0)


class Notice(Leased):
    """A mail to a workspace, or to the operators, about a workspace or about none; written with what it tells and sent after
    the commit.

    One per key, whatever runs twice.
    """

    LEASE = timedelta(minutes=10)

    class Undeliverable(models.TextChoices):
        """Why it is not tried any more."""

        NO_ADDRESS = "no_address", "No address"
        REFUSED = "refused", "Refused for good"

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, null=True, related_name="+")
    # What it is about, such as "invoice_ready:inv_…" or "payment_failed:inv_…:2".
    key = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=40)
    # What its templates print, as texts.
    context = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    # Empty while it is tried. One without an address is tried again once there is one; what a mail server refused for good only
    # when a person sends it again.
    undeliverable = models.CharField(max_length=16, choices=Undeliverable.choices, default="")

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["next_try_at", "id"], condition=Q(sent_at__isnull=True, undeliverable=""), name="notices_to_be_tried"
            )
        ]

    def __str__(self) -> str:
        return self.key
