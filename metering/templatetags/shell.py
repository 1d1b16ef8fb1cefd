"""What surrounds a page: the workspace in view, the places to go, and where we are."""

from dataclasses import dataclass

from allauth.account.adapter import get_adapter
from django import template
from django.http import HttpRequest
from django.template import Context
from django.urls import reverse

from metering.payments.balance.suspension_reasons import Suspension, suspension_of
from workspaces.access.authentication import Caller, caller_of_member
from workspaces.members.current import membership_of
from workspaces.models import Membership

register = template.Library()


@dataclass(frozen=True)
class Place:
    """One entry of the navigation."""

    name: str
    icon: str
    url: str
    current: bool


@dataclass(frozen=True)
class Shell:
    """Everything the signed-in frame shows."""

    caller: Caller
    membership: Membership
    memberships: list[Membership]
    places: list[Place]
    suspension: Suspension | None


# name, icon, URL, the URL names under it, and what the caller must be allowed
PLACES = [
    ("Overview", "overview", "pages:home", {"home"}, None),
    ("Usage", "usage", "pages:usage", {"usage"}, None),
    ("Requests", "events", "pages:events", {"events", "event"}, None),
    ("API keys", "key", "pages:keys", {"keys", "key", "key_new", "key_rotate", "key_revoke"}, None),
    ("Budgets", "gauge", "pages:budgets", {"budgets", "budget", "budget_new", "budget_delete"}, None),
    ("Invoices", "invoice", "pages:invoices", {"invoices", "invoice", "invoice_line", "upcoming"}, "may_see_invoices"),
    (
        "Billing",
        "card",
        "pages:billing",
        {"billing", "billing_buy", "billing_preferences", "billing_profile"},
        "may_manage_billing",
    ),
    ("Models", "model", "pages:models", {"models", "model"}, None),
    (
        "Settings",
        "settings",
        "pages:settings",
        {
            "settings",
            "members",
            "member_remove",
            "audit",
            "webhooks",
            "webhook",
            "webhook_new",
            "webhook_change",
            "webhook_rotate",
        }
        | {"webhook_delete", "webhook_delivery"},
        None,
    ),
]


@register.simple_tag(takes_context=True)
def shell(context: Context) -> Shell | None:
    """The frame of a signed-in member's page; None for everybody else."""
    request: HttpRequest | None = context.get("request")
    membership = membership_of(request) if request is not None else None
    if request is None or membership is None:
        return None
    caller = caller_of_member(membership)
    mine = Membership.objects.filter(user=membership.user).select_related("workspace").order_by("workspace__name")
    return Shell(caller, membership, list(mine), _places(request, caller), suspension_of(caller.workspace))


def _places(request: HttpRequest, caller: Caller) -> list[Place]:
    match = request.resolver_match
    here = match.url_name if match is not None and match.namespace == "pages" else None
    return [
        Place(name, icon, reverse(url), here in names)
        for name, icon, url, names, needed in PLACES
        if needed is None or getattr(caller, needed)
    ]


@register.simple_tag(takes_context=True)
def signup_open(context: Context) -> bool:
    """Whether strangers may make an account here."""
    request = context.get("request")
    return bool(get_adapter(request).is_open_for_signup(request))
