"""Idempotency keys under which the provider failed."""

from django.db import models


class StripeKey(models.Model):
    """An idempotency key of ours under which Stripe failed: it repeats the failure for a day, so the key moves on."""

    id = models.BigAutoField(primary_key=True)
    # What is asked for, such as "customer-of-ws_…".
    name = models.CharField(max_length=255, unique=True)
    # How often the key moved on.
    number = models.IntegerField(default=0)
    # The first failure ever, and the first under the present number; null while there was none.
    began_at = models.DateTimeField()
    failed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name}-again-{self.number}" if self.number else self.name
