"""What a person accepted although nothing explains it."""

from django.db import models
from django.db.models import Q

from metering.catalogue.models import LanguageModel
from metering.components import LONGEST_NAME
from workspaces.models import Workspace


class AcceptedTakeBack(models.Model):
    """Tokens that were billed and are not in the ledger any more, which a person let the next invoice take back."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    month = models.DateTimeField()
    language_model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT, related_name="+")
    service_tier = models.CharField(max_length=64)
    # The price version's public id.
    price = models.CharField(max_length=32)
    component = models.CharField(max_length=LONGEST_NAME)
    tokens = models.BigIntegerField()
    reason = models.CharField(max_length=300)
    accepted_by = models.CharField(max_length=300)
    accepted_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(tokens__gt=0), name="what_is_taken_back_is_above_zero")]
        indexes = [models.Index(fields=["workspace", "month"], name="accepted_of_a_workspace")]

    def __str__(self) -> str:
        return f"{self.tokens} {self.component} tokens of {self.month:%Y-%m}"
