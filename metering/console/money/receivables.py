"""What is owed and did not arrive yet: the overview's sums, and the filter of the invoice list that each leads to."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter
from unfold.views import ChangeList

from metering import dollars
from metering.console import backlog
from metering.invoicing.models import ON_HOLD, Invoice
from metering.payments.collecting.minimum import enough_due
from metering.payments.models import Dunning, PaymentAttempt
from workspaces.models import Workspace

NOTHING = Decimal("0.00")
PARAMETER = "receivable"
# What the filter offers. The overview adds up those on which something is due, and drafts.
LABELS = {
    "open": "Open",
    "overdue": "Overdue",
    "past_due": "Retries used up",
    "failed": "Payment failed",
    "held": "Held for review",
    "warned": "With warnings",
    "void": "Void, not reissued",
}


class Receivable(NamedTuple):
    """So many invoices, and what is due on them in whole cents."""

    invoices: int
    due: Decimal


class Receivables(NamedTuple):
    """`held` counts drafts, with what they would ask for. `suspended` counts workspaces."""

    owed: dict[str, Receivable]
    suspended: int


def condition(name: str, now: datetime) -> Q:
    """Which invoices a choice of LABELS means at `now`. Overdue: the due day passed. Past due: retries are used up, too."""
    is_open = Q(status=Invoice.Status.OPEN, amount_due__gt=0)
    declined = Exists(PaymentAttempt.objects.filter(invoice=OuterRef("pk"), status=PaymentAttempt.Status.DECLINED))
    return {
        "open": is_open,
        "overdue": is_open & enough_due() & Q(due_at__lt=now),
        "past_due": is_open & Q(dunning__state=Dunning.State.PAST_DUE),
        "failed": is_open & Q(dunning__state=Dunning.State.RETRYING) & Q(declined),
        "held": ON_HOLD,
        "warned": ~Q(warnings=[]),
        "void": Q(pk__in=Invoice.objects.waiting_for_reissue().values("pk")),
    }[name]


def receivables(now: datetime) -> Receivables:
    """Of every workspace. Two statements, whatever there is."""
    names = [name for name in LABELS if name not in ("warned", "void")]
    asked: dict[str, Any] = {}
    for name in names:
        asked[f"{name}_invoices"] = Count("pk", filter=condition(name, now))
        asked[f"{name}_due"] = Sum("amount_due", filter=condition(name, now))
    found = Invoice.objects.filter(status__in=[Invoice.Status.OPEN, Invoice.Status.DRAFT]).aggregate(**asked)
    owed = {name: Receivable(found[f"{name}_invoices"], found[f"{name}_due"] or NOTHING) for name in names}
    return Receivables(owed, Workspace.objects.filter(suspended_at__isnull=False).count())


def cards(now: datetime) -> list[dict[str, Any]]:
    """For the overview, in the order in which they need a person."""
    found = receivables(now)
    owed = found.owed
    return [
        _card("Open invoices", "open", owed["open"], "nothing is owed"),
        _card("Overdue", "overdue", owed["overdue"], "nothing is overdue", "after the due day"),
        _card("Retries used up", "past_due", owed["past_due"], "none has used up its retries", "overdue, with no retry left"),
        _card("Failed payments", "failed", owed["failed"], "nothing failed", "retried automatically"),
        _card("Held drafts", "held", owed["held"], "no draft is held", "waiting for review", "draft"),
        {
            "title": "Suspended workspaces",
            "value": f"{found.suspended:,}",
            "note": "their live keys are refused" if found.suspended else "every live key works",
            "calm": not found.suspended,
            "link": f"{reverse('admin:workspaces_workspace_changelist')}?suspended=yes",
        },
    ]


def void_months_alert() -> dict[str, Any]:
    """For the overview: months that wait for a person, since their invoice is void and nobody reissued it."""
    waiting = backlog.at_most(Invoice.objects.waiting_for_reissue())
    return {
        "title": "Void months",
        "value": waiting.text,
        "note": "not billed until they are reissued" if waiting else "none waits for its reissue",
        "calm": not waiting,
        "link": invoices_url("void"),
    }


def _card(title: str, name: str, owed: Receivable, nothing: str, more: str = "", what: str = "invoice") -> dict[str, Any]:
    counted = f"{owed.invoices:,} {what}{'' if owed.invoices == 1 else 's'}"
    return {
        "title": title,
        "value": dollars.usd_text(owed.due),
        "note": ", ".join(filter(None, [counted, more])) if owed.invoices else nothing,
        # That invoices are open is how it should be.
        "calm": name == "open" or not owed.invoices,
        "link": invoices_url(name),
    }


def invoices_url(name: str, workspace: Workspace | None = None) -> str:
    """The address of the invoices that a choice of LABELS means, of one workspace or of all."""
    of_workspace = f"&workspace__id__exact={workspace.pk}" if workspace else ""
    return f"{reverse('admin:metering_invoice_changelist')}?{PARAMETER}={name}{of_workspace}"


class ReceivableFilter(DropdownFilter):
    title = "what is owed"
    parameter_name = PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(LABELS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> QuerySet[Invoice]:
        if not self.value():
            return queryset
        return queryset.filter(condition(str(self.value()), timezone.now())) if self.value() in LABELS else queryset.none()


class ListWithSum(ChangeList):
    """Says what is due on all that is listed, on this page and the others."""

    due_in_words = ""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.due_in_words = due_in_words(self.queryset)


def due_in_words(invoices: QuerySet[Invoice]) -> str:
    """What is due on these invoices, and what their drafts would ask for. One statement."""
    due, draft = Q(status__in=Invoice.OWED), Q(status=Invoice.Status.DRAFT)
    found = invoices.order_by().aggregate(
        due=Sum("amount_due", filter=due), drafts=Count("pk", filter=draft), draft=Sum("amount_due", filter=draft)
    )
    words = f"{dollars.usd_text(found['due'] or NOTHING)} are due on the invoices listed"
    return f"{words}, and {dollars.usd_text(found['draft'])} in drafts." if found["drafts"] else f"{words}."
