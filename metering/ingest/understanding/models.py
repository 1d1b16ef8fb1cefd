"""Numbers in usage objects that nobody knows, and what operators said that they are."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import F, Q

from metering.ingest.models import QuarantinedEvent
from workspaces.ids import new_id


def rule_id() -> str:
    return new_id("rule")


class UnknownPath(models.Model):
    """A number above zero in a quarantined event that its dialect does not know."""

    id = models.BigAutoField(primary_key=True)
    event = models.ForeignKey(QuarantinedEvent, on_delete=models.CASCADE, related_name="unknown_paths")
    dialect = models.CharField(max_length=32)
    path = models.CharField(max_length=200)
    model = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["event", "path"], name="a_path_is_unknown_once_per_event")]
        indexes = [models.Index(fields=["dialect", "path"], name="unknown_by_dialect_and_path")]

    def __str__(self) -> str:
        return f"{self.dialect}: {self.path}"


class UsageRuleQuerySet(models.QuerySet["UsageRule"]):
    def at(self, instant: datetime) -> Self:
        """Those that hold for what is received then."""
        return self.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=instant), begins_at__lte=instant)

    def current(self) -> Self:
        """Those that nobody ended."""
        return self.filter(ends_at__isnull=True)


class UsageRule(models.Model):
    """What an operator said that a number is, from then on: never changed, only ended, and succeeded by the next version."""

    class Meaning(models.TextChoices):
        INFORMATION = "information", "Informational"
        PART = "part", "Part of another number"
        COMPONENT = "component", "A component"

    public_id = models.CharField(max_length=32, unique=True, default=rule_id, editable=False)
    dialect = models.CharField(max_length=32)
    path = models.CharField(max_length=200)
    version = models.IntegerField()
    meaning = models.CharField(max_length=16, choices=Meaning.choices)
    # The path that counts it, or the component that it is.
    of = models.CharField(max_length=200, blank=True, default="")
    reason = models.CharField(max_length=500)
    # Of what was received in between, it decides.
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    made_by = models.TextField()
    ended_by = models.TextField(blank=True, default="")

    objects = UsageRuleQuerySet.as_manager()

    class Meta:
        ordering = ["dialect", "path", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["dialect", "path", "version"], name="rule_versions_count_up"),
            models.UniqueConstraint(fields=["dialect", "path"], condition=Q(ends_at__isnull=True), name="one_rule_per_path"),
            models.CheckConstraint(condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("begins_at")), name="rule_ends_later"),
        ]

    def __str__(self) -> str:
        return f"{self.dialect}: {self.path} ({self.words})"

    @property
    def words(self) -> str:
        """What the number is, within a sentence."""
        if self.meaning == self.Meaning.INFORMATION:
            return "informational"
        return f"part of {self.of}" if self.meaning == self.Meaning.PART else f"component {self.of}"

    @property
    def component(self) -> str:
        """The component that its number is added to; empty where it is added to none."""
        return self.of if self.meaning == self.Meaning.COMPONENT else ""
