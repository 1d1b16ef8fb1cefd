"""What a workspace wants to be alerted to, and what the product does by itself."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from workspaces.models import Workspace

USUAL_SPIKE_FACTOR, USUAL_SPIKE_LEAST = Decimal("10.00"), Decimal("10.00")


def usd_cents(**extra: object) -> models.DecimalField:
    """In whole cents."""
    return models.DecimalField(max_digits=20, decimal_places=2, **extra)  # type: ignore[arg-type]


def usual_levels() -> list[Decimal]:
    """Of a prepaid balance: that it is used up."""
    return [Decimal("0.00")]


class AlertSettings(models.Model):
    """Of one workspace; without a row everything is as usual."""

    class OnLeak(models.TextChoices):
        """What becomes of a key whose secret was found in public."""

        REVOKE = "revoke", "Revoke it"
        FREEZE = "freeze", "Freeze it"

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, primary_key=True, related_name="alert_settings")
    on_leaked_key = models.CharField(max_length=16, choices=OnLeak.choices, default=OnLeak.REVOKE)
    # USD, highest first: a prepaid balance that falls to one of them is alerted to. The trigger that notes it reads them.
    balance_levels = ArrayField(usd_cents(), default=usual_levels, blank=True)
    # A key's hour is a spike above so many times its usual hour, and above the least amount in USD.
    spike_factor = models.DecimalField(max_digits=7, decimal_places=2, default=USUAL_SPIKE_FACTOR)
    spike_least = usd_cents(default=USUAL_SPIKE_LEAST)
    spike_freezes = models.BooleanField(default=False)
    # A mail before a price changes that concerns it. Pages and notifications say so in any case.
    price_changes = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(spike_factor__gt=1), name="a_spike_is_more_than_usual"),
            models.CheckConstraint(condition=Q(spike_least__gte=0), name="the_least_of_a_spike_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"Alerts of {self.workspace}"
