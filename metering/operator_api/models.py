"""What operators' programs asked for under an `Idempotency-Key`, and what they were answered."""

from django.db import models

from workspaces.models import OperatorKey


class OperatorRequest(models.Model):
    """Written in the transaction of the act: the same key gets the same answer, for ever."""

    id = models.BigAutoField(primary_key=True)
    operator_key = models.ForeignKey(OperatorKey, on_delete=models.PROTECT, related_name="requests")
    key = models.CharField(max_length=255)
    # The SHA-256 of the address and the body.
    asked = models.CharField(max_length=64)
    answer = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["operator_key", "key"], name="one_answer_per_operator_key_and_idempotency_key"),
        ]

    def __str__(self) -> str:
        return self.key
