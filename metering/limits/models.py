"""What is asked before a request and settled after it: budgets, what is spent and held of them, and the holds themselves.

Amounts are exact USD. `spent` and `held` are sums that can be made again from events and live holds (compare.py); they are kept
because a decision has a millisecond. Who changes them holds the workspace's row of LimitAccount: see accounts.py.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone

from workspaces.ids import new_id
from workspaces.models import APIKey, Gateway, Workspace

ALL_TIME = "1970-01-01T00:00:00Z"  # where the window of a budget without one begins
EACH = "*"  # as a scope id: each model, or each end user, has the limit for itself


def budget_id() -> str:
    return new_id("bgt")


def exact_usd(**extra: object) -> models.DecimalField:
    """USD to the pico-dollar."""
    return models.DecimalField(max_digits=38, decimal_places=12, **extra)  # type: ignore[arg-type]


class LimitAccount(models.Model):
    """One row for each workspace that has a budget or is prepaid: its lock, and what of its prepaid balance is free.

    `balance` is null while the workspace is not prepaid. It is what was left when `balanced_at` was, less what was settled
    since, each cost times `factor` (discount and tax); after `valid_until` a grant may have expired, and it is computed again.
    """

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, primary_key=True, related_name="limit_account")
    balance = exact_usd(null=True)
    held = exact_usd(default=0)
    factor = models.DecimalField(max_digits=12, decimal_places=8, default=1)
    balanced_at = models.DateTimeField(null=True)
    valid_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Limits of {self.workspace}"


class Budget(models.Model):
    """The most that a workspace, a key, a model or an end user may cost within a window of time."""

    class Scope(models.TextChoices):
        WORKSPACE = "workspace", "Workspace"
        KEY = "key", "Key"
        MODEL = "model", "Model"
        USER = "user", "End user"

    class Window(models.TextChoices):
        HOUR = "hour", "Hour"
        DAY = "day", "Day"
        WEEK = "week", "Week"
        MONTH = "month", "Month"
        TOTAL = "total", "All time"

    class Mode(models.TextChoices):
        HARD = "hard", "Refuse"
        SOFT = "soft", "Alert only"
        SHADOW = "shadow", "Count what it would refuse"

    public_id = models.CharField(max_length=32, unique=True, default=budget_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="budgets")
    scope = models.CharField(max_length=16, choices=Scope.choices)
    # Empty for the workspace; a key's public id; a model as requested, or an end user's name; or `*`, for each of them.
    scope_id = models.CharField(max_length=512, blank=True, default="")
    window = models.CharField(max_length=16, choices=Window.choices)
    time_zone = models.CharField(max_length=64, default="UTC")
    limit = exact_usd()
    mode = models.CharField(max_length=16, choices=Mode.choices, default=Mode.HARD)
    # Percent of the limit, each of which is notified once in a window.
    thresholds = ArrayField(models.PositiveSmallIntegerField(), default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "scope", "scope_id", "window", "mode"], name="one_budget_per_scope_window_and_mode"
            ),
            models.CheckConstraint(condition=Q(limit__gte=0), name="a_budget_is_not_negative"),
            models.CheckConstraint(
                condition=Q(scope="workspace", scope_id="") | (~Q(scope="workspace") & ~Q(scope_id="")),
                name="a_budget_says_what_it_is_for",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.limit.normalize():f} USD per {self.window} for {self.scope} {self.scope_id}".strip()


class BudgetWindow(models.Model):
    """What is spent within one window of a budget, for one of what it covers."""

    id = models.BigAutoField(primary_key=True)
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="windows", db_index=False)
    # Which key, model or end user; empty for the workspace.
    scope_value = models.CharField(max_length=512, default="", blank=True)
    start = models.DateTimeField()
    spent = exact_usd(default=0)
    # By a budget in shadow: how many requests it would have refused, and what they would have held.
    would_have_refused = models.BigIntegerField(default=0)
    would_have_refused_usd = exact_usd(default=0)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["budget", "scope_value", "start"], name="one_row_per_window_of_a_budget"),
        ]

    def __str__(self) -> str:
        return f"{self.budget} from {self.start:%Y-%m-%d %H:%M}: {self.spent} spent"


class BudgetHeld(models.Model):
    """What live holds hold of a budget, for one of what it covers: in whatever window it is, since it may be billed in that."""

    id = models.BigAutoField(primary_key=True)
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="held_amounts", db_index=False)
    scope_value = models.CharField(max_length=512, default="", blank=True)
    held = exact_usd(default=0)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["budget", "scope_value"], name="one_row_of_what_a_budget_holds"),
        ]

    def __str__(self) -> str:
        return f"{self.budget}: {self.held} held"


class HoldStatus(models.IntegerChoices):
    """Where a hold is. What is settled or expired may still meet its event; what is released never cost anything."""

    LIVE = 0, "live"
    SETTLED = 1, "settled"
    RELEASED = 2, "released"
    EXPIRED = 3, "expired"


# The same in SQL.
IS_LIVE = f"status = {HoldStatus.LIVE.value}"
HAS_ENDED = f"status IN ({HoldStatus.SETTLED.value}, {HoldStatus.RELEASED.value})"


class Hold(models.Model):
    """A request that may run: what it may cost at most, until its event says what it did cost.

    Written for every request of every gateway, so it has no foreign keys. An expired one whose event never came is
    *unaccounted*: it was allowed, and nobody said what became of it.
    """

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(max_length=32, unique=True, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    gateway = models.ForeignKey(Gateway, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    key = models.ForeignKey(APIKey, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    request_id = models.TextField()
    # As identities have it, and a hash of what was asked: the same again is answered the same.
    request_hash = models.BinaryField()
    asked = models.BinaryField()
    model = models.TextField()
    user = models.TextField(default="")
    amount = exact_usd()
    # The part of it that does not depend on the output, and USD for each token of output: for an extension.
    fixed = exact_usd()
    per_token = exact_usd()
    balance_held = exact_usd(default=0)
    input_tokens = models.IntegerField()
    max_output_tokens = models.IntegerField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    status = models.SmallIntegerField(choices=HoldStatus.choices, default=HoldStatus.LIVE)
    ended_at = models.DateTimeField(null=True)
    settled_cost = exact_usd(null=True)
    # What was answered to the gateway.
    answer = models.JSONField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "request_hash"], name="one_hold_per_request"),
        ]
        indexes = [
            models.Index(fields=["workspace", "expires_at"], name="holds_live", condition=Q(status=HoldStatus.LIVE)),
            models.Index(fields=["workspace", "created_at"], name="holds_expired", condition=Q(status=HoldStatus.EXPIRED)),
            models.Index(fields=["ended_at"], name="holds_ended", condition=Q(status__in=[1, 2])),
            BrinIndex(fields=["created_at"], name="holds_by_time", autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.public_id}: {self.amount} for {self.request_id}"


class HoldDay(models.Model):
    """Holds of a day that ended as they should, summed up when their rows were dropped."""

    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT, db_index=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, db_index=False)
    day = models.DateField()
    status = models.SmallIntegerField(choices=HoldStatus.choices)
    requests = models.BigIntegerField(default=0)
    amount = exact_usd(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "gateway", "workspace", "status"], name="one_sum_of_holds_per_day"),
        ]

    def __str__(self) -> str:
        return f"{self.requests} {self.get_status_display()} on {self.day}"


class RefusedRequests(models.Model):
    """Requests that were refused within an hour for one reason, folded: a client that loops makes one row, not a million."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, db_index=False)
    key = models.ForeignKey(APIKey, on_delete=models.CASCADE, db_index=False)
    hour = models.DateTimeField()
    model = models.CharField(max_length=300)
    reason = models.CharField(max_length=32)
    # Public id of the budget that had nothing left; empty for other reasons.
    budget = models.CharField(max_length=32, default="")
    requests = models.BigIntegerField(default=0)
    last_at = models.DateTimeField()
    last_request_id = models.TextField()

    class Meta:
        verbose_name_plural = "refused requests"
        ordering = ["-last_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "hour", "key", "model", "reason", "budget"], name="one_row_per_hour_and_reason"
            ),
        ]
        indexes = [models.Index(fields=["hour"], name="refused_requests_by_age")]

    def __str__(self) -> str:
        return f"{self.requests} of {self.key} refused: {self.reason}"


class ThresholdCrossing(models.Model):
    """Spending that went over a threshold of a budget within a window: once, however many workers saw it."""

    id = models.BigAutoField(primary_key=True)
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="crossings", db_index=False)
    scope_value = models.CharField(max_length=512, default="", blank=True)
    start = models.DateTimeField()
    threshold = models.PositiveSmallIntegerField()
    spent = exact_usd()
    limit = exact_usd()
    crossed_at = models.DateTimeField()
    notified_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "scope_value", "start", "threshold"], name="each_threshold_once_in_a_window"
            ),
        ]
        indexes = [models.Index(fields=["id"], name="crossings_to_notify", condition=Q(notified_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.threshold} % of {self.budget}"


class BalanceCrossing(models.Model):
    """A prepaid balance that fell to a level at which the workspace wants an alert.

    A trigger writes it with the fall. Once for each level and grant of credit: corrections around a level are one crossing, and
    only credit that came since makes room for the next.
    """

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, db_index=False)
    level = exact_usd()
    # Primary key of the newest grant by then; 0 where there was none.
    newest_grant = models.IntegerField()
    balance = exact_usd()
    crossed_at = models.DateTimeField()
    notified_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "level", "newest_grant"], name="each_level_once_for_a_grant"),
        ]
        indexes = [models.Index(fields=["id"], name="balances_to_notify", condition=Q(notified_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.workspace} at {self.level}"
