"""Imports of prices: the file as it was, what was asked, and which versions came of it."""

import zlib
from typing import Any

from django.db import models
from django.db.models import Q

from metering.catalogue.models import PriceVersion
from metering.catalogue.providers.models import ProviderPrice
from workspaces.ids import new_id


def import_id() -> str:
    return new_id("imp")


class PriceImport(models.Model):
    """A file of prices. It is previewed first; what is applied is the preview that was seen, or nothing.

    Those that nobody applied are deleted after a day (plan.py); those that were applied stay as their prices' origin.
    """

    class Format(models.TextChoices):
        LITELLM = "litellm", "LiteLLM's price map"
        OPENROUTER = "openrouter", "OpenRouter's list of models"
        CSV = "csv", "CSV"

    public_id = models.CharField(max_length=32, unique=True, default=import_id, editable=False)
    actor = models.TextField()
    name = models.CharField(max_length=200, blank=True)  # of the file
    file_format = models.CharField(max_length=16, choices=Format.choices)
    content = models.BinaryField()
    provider_cost = models.BooleanField(default=False)
    markup = models.DecimalField(max_digits=12, decimal_places=8, default=0)
    only = models.TextField(blank=True)
    # Null: from the moment it is applied.
    effective_from = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    # A hash of what the preview said would be set.
    digest = models.CharField(max_length=64, blank=True)
    applied_at = models.DateTimeField(null=True)
    # {"new", "changed", "unchanged", "refused", "withdrawn"} as it was applied.
    counts = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.public_id

    @property
    def text(self) -> str:
        """The file. It was decoded before it was kept."""
        return zlib.decompress(bytes(self.content)).decode()

    @staticmethod
    def packed(text: str) -> bytes:
        return zlib.compress(text.encode())

    def audit_detail(self) -> dict[str, Any]:
        """What the audit trail says of it."""
        return {"file": self.name, "format": self.file_format, "provider_cost": self.provider_cost, "only": self.only}


class ImportedPrice(models.Model):
    """A version that an import set."""

    of = models.ForeignKey(PriceImport, on_delete=models.PROTECT, related_name="prices")
    price = models.OneToOneField(PriceVersion, on_delete=models.CASCADE, null=True, related_name="imported")
    provider_price = models.OneToOneField(ProviderPrice, on_delete=models.CASCADE, null=True, related_name="imported")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(price__isnull=False, provider_price__isnull=True)
                | Q(price__isnull=True, provider_price__isnull=False),
                name="an_imported_price_is_one_version",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.of_id}: {self.price_id or self.provider_price_id}"
