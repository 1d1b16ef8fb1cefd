"""API keys: the list, one key, and making, changing, rotating and revoking them.

A secret is shown in the very answer that made it, and nowhere else: a redirect would have to keep it somewhere, and only its
hash may be kept. The page replaces its own address, so that loading it again shows the list and makes no second key.
"""

from datetime import datetime, timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from metering.limits.budgets.standing import budgets_of_key
from metering.limits.gateway.check_key import models_of
from metering.periods import month_of
from metering.usage.query import UsageQuestion, UsageRow, usage
from metering.usage.spend import month_spend
from metering.website.budgets.rows import budget_rows
from metering.website.member import member_page, show_refusal
from metering.website.settings.key_forms import KeyChangeForm, KeyForm, RotateForm
from omixa_billing.api.errors import Refusal
from workspaces.access.authentication import Caller
from workspaces.keys.allowed_models import asks_models
from workspaces.keys.freezing import freeze_key, unfreeze_key
from workspaces.keys.issue import change_key, create_key, revoke_key, rotate_key
from workspaces.models import APIKey, Workspace

# What is neither revoked nor expired comes first on the list.
FIRST = ("active", "suspended", "frozen")


@member_page()
def key_list(request: HttpRequest, caller: Caller) -> HttpResponse:
    now = timezone.now()
    spent = spend_by_key(caller.workspace)
    found = APIKey.objects.filter(workspace=caller.workspace).prefetch_related("credentials")
    keys = [_row(key, caller.workspace, now, spent.get(key.public_id)) for key in found]
    keys.sort(key=lambda row: row["status"] not in FIRST)
    soon = [row["key"] for row in keys if row["expires_soon"]]
    return render(request, "website/settings/keys/keys.html", {"keys": keys, "caller": caller, "soon": soon})


@never_cache
@member_page("may_manage_keys")
def key_new(request: HttpRequest, caller: Caller) -> HttpResponse:
    form = KeyForm(request.POST or None, workspace=caller.workspace)
    if request.method == "POST" and form.is_valid():
        now = timezone.now()
        asked = form.cleaned_data
        try:
            key, secret = create_key(
                caller.workspace,
                asked["kind"],
                asked["name"],
                caller.actor,
                now,
                user=caller.user,
                expires_at=form.expires_at(now),
                scopes=form.chosen_scopes,
            )
        except Refusal as refusal:
            form.add_error(None, refusal.message)
        else:
            return render(request, "website/settings/keys/key_secret.html", {"key": key, "secret": secret, "is_new": True})
    return render(request, "website/settings/keys/key_new.html", {"form": form})


@member_page()
def key_page(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    key = _key(caller, key_id)
    now = timezone.now()
    form = KeyChangeForm(request.POST or None, key)
    if request.method == "POST" and caller.may_manage_keys and form.is_valid():
        try:
            change_key(key, form.changes(now), caller.actor, now, user=caller.user)
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:key", key_id)
        messages.success(request, "The key is saved.")
        return redirect("pages:key", key_id)
    context = {
        "key": key,
        "status": status_text(key, caller.workspace, now),
        "expires_soon": key.expires_in_words(now),
        "secrets": key.credentials.working(now).order_by("-pk"),
        "spend": month_spend(caller.workspace, now, key),
        "models": models_of(key),
        "rows": budget_rows(list(budgets_of_key(key)), now) if asks_models(key.kind) else [],
        "asks_models": asks_models(key.kind),
        "form": form,
        "caller": caller,
    }
    return render(request, "website/settings/keys/key.html", context)


@never_cache
@member_page("may_manage_keys")
def key_rotate(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    key = _key(caller, key_id)
    form = RotateForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        grace = timedelta(seconds=int(form.cleaned_data["grace"]))
        now = timezone.now()
        try:
            secret = rotate_key(key, grace, caller.actor, now, user=caller.user)
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:key", key_id)
        until = now + grace if grace else None
        return render(request, "website/settings/keys/key_secret.html", {"key": key, "secret": secret, "old_until": until})
    return render(request, "website/settings/keys/key_rotate.html", {"key": key, "form": form})


@member_page("may_manage_keys")
def key_revoke(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    key = _key(caller, key_id)
    if request.method == "POST":
        try:
            revoke_key(key, caller.actor, timezone.now(), user=caller.user)
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:key", key_id)
        messages.success(request, f"“{key.name}” is revoked. Requests with it are refused from now on.")
        return redirect("pages:keys")
    return render(request, "website/settings/keys/key_revoke.html", {"key": key})


@member_page("may_manage_keys")
def key_freeze(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    key = _key(caller, key_id)
    if request.method == "POST":
        try:
            freeze_key(key, caller.actor, timezone.now(), user=caller.user)
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:key", key_id)
        messages.success(request, f"“{key.name}” is frozen. Requests with it are refused until it is unfrozen.")
        return redirect("pages:key", key_id)
    return render(request, "website/settings/keys/key_freeze.html", {"key": key})


@member_page("may_manage_keys")
def key_unfreeze(request: HttpRequest, caller: Caller, key_id: str) -> HttpResponse:
    key = _key(caller, key_id)
    if request.method == "POST":
        try:
            unfreeze_key(key, caller.actor, timezone.now(), user=caller.user)
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:key", key_id)
        messages.success(request, f"“{key.name}” works again.")
        return redirect("pages:key", key_id)
    return render(request, "website/settings/keys/key_unfreeze.html", {"key": key})


def spend_by_key(workspace: Workspace) -> dict[str, UsageRow]:
    """This month's usage by key id."""
    month = month_of(timezone.now())
    rows = usage(UsageQuestion(workspace, month.start, month.end, group_by=("key_id",))).rows
    return {row.groups["key_id"]: row for row in rows}


def status_text(key: APIKey, workspace: Workspace, now: datetime) -> str:
    """A suspended workspace's keys are refused, but for the admin ones."""
    status = key.status(now)
    refused = workspace.suspended_at is not None and key.kind != APIKey.Kind.ADMIN
    return "suspended" if refused and status == "active" else status


def _key(caller: Caller, key_id: str) -> APIKey:
    keys = APIKey.objects.select_related("workspace", "created_by", "created_by_key", "frozen_by", "frozen_by_key")
    return get_object_or_404(keys, workspace=caller.workspace, public_id=key_id)


def _row(key: APIKey, workspace: Workspace, now: datetime, spent: UsageRow | None) -> dict[str, object]:
    newest = max(key.credentials.all(), key=lambda each: each.pk, default=None)
    status, soon = status_text(key, workspace, now), key.expires_in_words(now)
    return {"key": key, "status": status, "expires_soon": soon, "secret": newest, "usage": spent}
