"""Who calls and whose usage it is. Nothing here knows what usage costs."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from workspaces.audit.models import AuditEntry as AuditEntry
from workspaces.audit.models import AuditFold as AuditFold
from workspaces.audit.models import AuditHead as AuditHead
from workspaces.audit.models import AuditSeal as AuditSeal
from workspaces.audit.models import KnownSetting as KnownSetting
from workspaces.console.kit.models import SentForm as SentForm
from workspaces.ids import new_id
from workspaces.operators.models import OperatorKey as OperatorKey
from workspaces.querysets import APIKeyQuerySet, CredentialQuerySet

EXPIRES_SOON = timedelta(days=14)


def workspace_id() -> str:
    return new_id("ws")


def key_id() -> str:
    return new_id("key")


def gateway_id() -> str:
    return new_id("gw")


def invitation_id() -> str:
    return new_id("invite")


def every_scope() -> list[str]:
    return list(APIKey.Scope.values)


class UserManager(BaseUserManager["User"]):
    """People sign in with their address; there is no user name."""

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)


class User(AbstractUser):
    """A person. `is_staff` makes an operator; a membership makes a customer; one person may be both."""

    username = None  # type: ignore[assignment]
    email = models.EmailField(unique=True)
    # Moves when every session of the person has to end: a session fits one generation.
    session_generation = models.PositiveIntegerField(default=0, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.email

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Who may do what is never changed unseen, whichever page, command or library does it."""
        from workspaces.audit.people import recorded  # the trail's own tables are in this module

        with recorded(self, kwargs.get("update_fields")):
            super().save(*args, **kwargs)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What Django stores in a session and compares at every request: of the password and the generation."""
        salt = "workspaces.models.User.session_generation"
        value = f"{self.session_generation}.{self.password}"
        return salted_hmac(salt, value, secret=secret, algorithm="sha256").hexdigest()


class Workspace(models.Model):
    """A customer. Its usage is counted and invoiced together."""

    class Suspension(models.TextChoices):
        """Why its live keys are refused."""

        PAST_DUE = "past_due", "An invoice is overdue"
        NO_CREDIT = "no_credit", "Prepaid credit is used up"

    public_id = models.CharField(max_length=32, unique=True, default=workspace_id, editable=False)
    name = models.CharField(max_length=200)
    email = models.EmailField(blank=True, default="", help_text="Where invoices go.")
    # A sandbox is metered and priced like any other, and never invoiced.
    sandbox = models.BooleanField(default=False)
    currency = models.CharField(max_length=3, default="USD", editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Since when its live keys are refused, why, and the same as sentences; null and empty while they work.
    suspended_at = models.DateTimeField(null=True, editable=False)
    suspensions = ArrayField(models.CharField(max_length=16, choices=Suspension.choices), default=list, editable=False)
    suspended_because = models.CharField(max_length=300, default="", editable=False)
    # Since when it is closed, for good: see closed.py.
    closed_at = models.DateTimeField(null=True, editable=False)
    # Which models its keys may ask for, as clients name them; null: all.
    allowed_models = ArrayField(models.CharField(max_length=300), null=True, editable=False)
    # Whether a model that has no price is refused before it runs, rather than recorded and priced later.
    refuses_unpriced = models.BooleanField(default=False, editable=False)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """What a person may do in a workspace."""

    class Role(models.TextChoices):
        OWNER = "owner", "Owner"
        ADMIN = "admin", "Admin"
        BILLING = "billing", "Billing"
        VIEWER = "viewer", "Viewer"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="one_role_per_person_and_workspace"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}: {self.role}"


class Invitation(models.Model):
    """A person asked into a workspace, who is a member once they accept. Its secret is kept only as its SHA-256."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        ACCEPTED = "accepted", "Accepted"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"

    public_id = models.CharField(max_length=32, unique=True, default=invitation_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=16, choices=Membership.Role.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    sha256 = models.BinaryField(max_length=32, unique=True)
    # Null when a command invited. An invitation does not outlive its sender, whose right to invite it needs.
    invited_by = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="invitations_sent")
    by_operator = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    mail_failed = models.BooleanField(default=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "email"], condition=Q(state="pending"), name="one_open_invitation_per_address"
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at"], name="invitations_of_a_workspace"),
            models.Index(fields=["email", "-created_at"], name="invitations_to_an_address"),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.workspace}: {self.state}"


class APIKey(models.Model):
    """A workspace's key. Its id never changes; its secrets come and go (see Credential)."""

    class Kind(models.TextChoices):
        LIVE = "live", "Live"
        TEST = "test", "Test"
        ADMIN = "admin", "Admin"

    class Scope(models.TextChoices):
        """What an admin key may do beside reading."""

        KEYS = "keys", "Manage keys"
        PAYMENTS = "payments", "Pay invoices and buy credit"

    class Freeze(models.TextChoices):
        """Why it is frozen."""

        REQUESTED = "requested", "A person or a program asked for it"
        LEAKED = "leaked", "Its secret was found in public"
        SPEND_SPIKE = "spend_spike", "It spent far more than usual"

    public_id = models.CharField(max_length=32, unique=True, default=key_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="api_keys")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    # Of admin keys; the other kinds have none to lack.
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope.choices), default=every_scope, blank=True)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # The person who made it, or the admin key that did; neither for one that a command made.
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, editable=False)
    created_by_key = models.ForeignKey("self", on_delete=models.PROTECT, null=True, editable=False, related_name="keys_made")
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Refused like a revoked one until it is unfrozen: since when, why, and by which person or admin key; neither where the
    # product did it by itself.
    frozen_at = models.DateTimeField(null=True, editable=False)
    frozen_reason = models.CharField(max_length=16, choices=Freeze.choices, default="", blank=True, editable=False)
    frozen_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, editable=False, related_name="+")
    frozen_by_key = models.ForeignKey("self", on_delete=models.PROTECT, null=True, editable=False, related_name="+")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Which models it may ask for, beside what its workspace may; null: all of those.
    allowed_models = ArrayField(models.CharField(max_length=300), null=True, editable=False)

    objects = APIKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering = ["-id"]
        indexes = [models.Index(fields=["workspace", "-id"], name="api_keys_of_a_workspace")]
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__contained_by=["keys", "payments"]), name="api_key_has_scopes_that_there_are"
            ),
            models.CheckConstraint(
                condition=Q(frozen_at__isnull=True, frozen_reason="") | (Q(frozen_at__isnull=False) & ~Q(frozen_reason="")),
                name="a_frozen_key_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"

    @property
    def is_limited(self) -> bool:
        """An admin key that lacks a scope."""
        return self.kind == self.Kind.ADMIN and not set(self.Scope.values) <= set(self.scopes)

    def has_scope(self, scope: str | None) -> bool:
        """Whether it goes so far; None: as far as any key."""
        return not self.is_limited or (scope is not None and scope in self.scopes)

    def status(self, now: datetime) -> str:
        """`active`, `expired`, `frozen` or `revoked`, as of `now`."""
        if self.revoked_at is not None:
            return "revoked"
        if self.frozen_at is not None:
            return "frozen"
        return "expired" if self.has_expired(now) else "active"

    def has_expired(self, now: datetime) -> bool:
        """Whether its time is over, frozen or not."""
        return self.expires_at is not None and self.expires_at <= now

    def expires_soon(self, now: datetime) -> bool:
        """Whether it works now and will not much longer: time to move its expiry or to replace it."""
        return self.status(now) == "active" and self.expires_at is not None and self.expires_at <= now + EXPIRES_SOON

    def expires_in_words(self, now: datetime) -> str:
        """`expires today`, `expires in 12 days`; "" for a key that does not expire soon."""
        if self.expires_at is None or not self.expires_soon(now):
            return ""
        days = (self.expires_at.date() - now.date()).days
        return "expires today" if not days else f"expires in {days} day{'' if days == 1 else 's'}"

    @property
    def limits_in_words(self) -> str:
        """What an admin key lacks, such as `no payments`; "" for one that may do everything, and for other kinds."""
        if not self.is_limited:
            return ""
        if not self.scopes:
            return "read-only"
        return ", ".join(f"no {scope}" for scope in self.Scope.values if scope not in self.scopes)


class Gateway(models.Model):
    """A gateway that sends usage events."""

    public_id = models.CharField(max_length=32, unique=True, default=gateway_id, editable=False)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Whether it may correct what other gateways sent; else only what it sent itself.
    may_correct_all = models.BooleanField(default=False, editable=False)
    # Whose usage it may send and correct; none bound means every workspace's.
    workspaces = models.ManyToManyField(Workspace, through="GatewayWorkspace", related_name="gateways")

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def bound_to(self) -> frozenset[int]:
        """The workspaces (primary keys) that it is bound to; empty while it is bound to none and may send for all."""
        return frozenset(self.workspaces.values_list("pk", flat=True))


class GatewayWorkspace(models.Model):
    """That a gateway is bound to a workspace.

    The workspace is protected: a gateway that lost its last one would be bound to none, and send for all.
    """

    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "workspace"], name="gateway_bound_once_to_a_workspace"),
        ]

    def __str__(self) -> str:
        return f"{self.gateway} for {self.workspace}"


class Credential(models.Model):
    """One secret of a key or a gateway, kept only as its SHA-256. Rotation adds one and lets the old one run out."""

    api_key = models.ForeignKey(APIKey, on_delete=models.CASCADE, null=True, related_name="credentials")
    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE, null=True, related_name="credentials")
    sha256 = models.BinaryField(max_length=32, unique=True)
    prefix = models.CharField(max_length=24)
    last_four = models.CharField(max_length=4)
    created_at = models.DateTimeField(default=timezone.now)
    # Until when this secret is good; null means as long as its owner is.
    expires_at = models.DateTimeField(null=True)
    # Who was shown it: the person or the admin key that created or rotated its key.
    given_to = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    given_to_key = models.ForeignKey(APIKey, on_delete=models.SET_NULL, null=True, related_name="+")

    objects = CredentialQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(api_key__isnull=False, gateway__isnull=True) | Q(api_key__isnull=True, gateway__isnull=False),
                name="credential_has_exactly_one_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}…{self.last_four}"

    def has_expired(self, now: datetime) -> bool:
        """Whether it was replaced and its grace is over."""
        return self.expires_at is not None and self.expires_at <= now


class AccessChange(models.Model):
    """That the answer about a key, or about all keys of a workspace, may have changed: gateways that remember it ask again.

    A trigger writes it, at the commit of whatever changed it. Numbers follow commits.
    """

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, db_index=False)
    key = models.ForeignKey(APIKey, on_delete=models.CASCADE, db_index=False, null=True)
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["changed_at"], name="access_changes_by_age")]

    def __str__(self) -> str:
        return f"{self.id}: {self.key or self.workspace}"


class SharedValue(models.Model):
    """What all web processes remember together for a while, such as failed sign-ins: see `shared_cache`."""

    key = models.CharField(max_length=250, primary_key=True)
    value = models.BinaryField()
    expires_at = models.DateTimeField(null=True, db_index=True)  # null means never

    def __str__(self) -> str:
        return self.key
