"""Keys of operators (`workspaces.operators`), which `workspaces.models` gathers for Django."""

from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from workspaces.ids import new_id

PREFIX = "opkey"


def operator_key_id() -> str:
    return new_id(PREFIX)


class OperatorKey(models.Model):
    """A key that may read and do what operators may with money. It always expires, and has one secret, kept as its SHA-256."""

    class Scope(models.TextChoices):
        READ = "read", "Read books and reports"
        MONEY = "money", "Act on money"

    public_id = models.CharField(max_length=32, unique=True, default=operator_key_id, editable=False)
    name = models.CharField(max_length=200)
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope.choices))
    sha256 = models.BinaryField(max_length=32, unique=True)
    prefix = models.CharField(max_length=24)
    last_four = models.CharField(max_length=4)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # The superuser who made it, without whom it stops; null where a command did.
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__contained_by=["read", "money"]) & ~Q(scopes=[]),
                name="operator_key_has_scopes_that_there_are",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"

    def status(self, now: datetime) -> str:
        """`active`, `expired` or `revoked`, as of `now`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= now else "active"

    @property
    def scopes_in_words(self) -> str:
        return ", ".join(self.Scope(each).label for each in self.Scope.values if each in self.scopes)
