"""The tables of the audit trail (`workspaces.audit`), which `workspaces.models` gathers for Django."""

from django.db import models
from django.utils import timezone


class AuditEntry(models.Model):
    """Who did what, and from where. Appended, never changed: the database refuses, and the chain of seals would show it."""

    class ActorKind(models.TextChoices):
        MEMBER = "member", "Member"
        OPERATOR = "operator", "Operator"
        KEY = "key", "API key"
        GATEWAY = "gateway", "Gateway"
        COMMAND = "command", "Command"
        PROVIDER = "provider", "Payment provider"
        SYSTEM = "system", "The product"
        STRANGER = "stranger", "Nobody known"

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(default=timezone.now)
    # A person's address, an API key's id, or the command or job that acted.
    actor = models.CharField(max_length=300)
    actor_kind = models.CharField(max_length=16, choices=ActorKind.choices, default=ActorKind.SYSTEM)
    action = models.CharField(max_length=64)
    workspace = models.ForeignKey("workspaces.Workspace", on_delete=models.PROTECT, null=True, blank=True)
    target = models.CharField(max_length=300)
    detail = models.JSONField(default=dict)
    # Of the request that did it; null and empty where no request did.
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300, default="")

    class Meta:
        verbose_name_plural = "audit trail"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="audit_of_a_workspace"),
            models.Index(fields=["target", "-id"], name="audit_of_a_target"),
            models.Index(fields=["action", "-id"], name="audit_of_an_action"),
            models.Index(fields=["actor", "-id"], name="audit_of_an_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor} {self.action} {self.target}"


class AuditSeal(models.Model):
    """An entry's place in the chain, given by the database as its transaction commits. Without gaps, from 1."""

    position = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(AuditEntry, on_delete=models.PROTECT, related_name="seal")
    # SHA-256 of the entry's canonical text, which holds `previous_hash`, the hash of the seal before this one.
    previous_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    def __str__(self) -> str:
        return f"{self.position}: {bytes(self.hash).hex()}"


class AuditHead(models.Model):
    """The newest seal, kept a second time: a chain that lost its end no longer reaches it. One row, number 1."""

    id = models.SmallIntegerField(primary_key=True)
    position = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)

    def __str__(self) -> str:
        return f"{self.position}: {bytes(self.hash).hex()}"


class AuditFold(models.Model):
    """That something which may happen often has its entry for a while: until then it gets no second one."""

    key = models.BinaryField(max_length=32, primary_key=True)
    action = models.CharField(max_length=64)
    until = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["action", "until"], name="audit_folds_by_action")]

    def __str__(self) -> str:
        return f"{self.action} until {self.until:%Y-%m-%d %H:%M:%S}"


class KnownSetting(models.Model):
    """A setting as the last start saw it; of a secret only what tells whether it is still the same."""

    name = models.CharField(max_length=100, primary_key=True)
    value = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.name
