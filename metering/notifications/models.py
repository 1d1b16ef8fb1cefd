"""What happened, for programs that want to know."""

from django.db import models

from workspaces.ids import new_id
from workspaces.models import Workspace


def notification_id() -> str:
    return new_id("evt")


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
