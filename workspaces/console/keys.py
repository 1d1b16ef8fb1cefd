"""API keys: create, rename, rotate, revoke. A secret is shown once, by the answer that made it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, ReadOnlyInline, actor_of, operator_of
from workspaces.console.kit.pages import FormPage, secret_page
from workspaces.keys import freezing, issue
from workspaces.keys.allowed_models import asks_models, models_text
from workspaces.keys.credentials import USUAL_GRACE
from workspaces.keys.limits import NO_SCOPES, SCOPES_OF_KEY, SCOPES_OF_NEW_KEY, USUAL, changeable, has_scopes
from workspaces.models import APIKey, Credential
from workspaces.querysets import APIKeyQuerySet

STATUS_LABELS = {"active": "success", "frozen": "info", "expired": "warning", "revoked": "danger"}
KIND_LABELS = {"live": "primary", "test": "info", "admin": "warning"}


class NewKeyForm(forms.Form):
    workspace = fields.workspace()
    kind = fields.choice("kind", APIKey.Kind.choices, "Live keys call models, test keys do in sandboxes, admin keys manage.")
    name = fields.text("name", max_length=200)
    scopes = fields.choices_field(SCOPES_OF_NEW_KEY, APIKey.Scope.choices, NO_SCOPES)
    expires_at = fields.instant_field(
        "expires at (UTC)", "Empty: never, or after ADMIN_KEY_DAYS for an admin key.", required=False
    )
    never_expires = fields.switch_field("never expires")

    def clean(self) -> dict[str, Any]:
        """As `issue.create_key` takes them."""
        chosen = super().clean() or {}
        chosen["expires_at"] = None if chosen.get("never_expires") else chosen.get("expires_at") or USUAL
        if not has_scopes(chosen.get("kind", "")):
            chosen["scopes"] = None
        return chosen


class ChangeForm(forms.Form):
    """`changeable` decides which of its fields a key has."""

    name = fields.text("name", max_length=200)
    scopes = fields.choices_field(SCOPES_OF_KEY, APIKey.Scope.choices, NO_SCOPES)
    models = fields.model_names("models it may ask for", "One a line. Empty: all that the workspace may ask for.")
    expires_at = fields.instant_field("expires at (UTC)", "Empty: never.", required=False)


def change_form_of(key: APIKey) -> type[forms.Form]:
    gone = set(ChangeForm.base_fields) - changeable(key)
    return type("ChangeFormOfAKey", (ChangeForm,), dict.fromkeys(gone))


def freezer_of(key: APIKey) -> str:
    """The person or the admin key that froze it, or the product."""
    return str(key.frozen_by or key.frozen_by_key or "the product")


class StatusFilter(DropdownFilter):
    title = "status"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status, status.capitalize()) for status in STATUS_LABELS]

    def queryset(self, request: HttpRequest, queryset: APIKeyQuerySet) -> APIKeyQuerySet:
        chosen = self.value()
        return queryset.with_status(chosen, timezone.now()) if chosen in STATUS_LABELS else queryset


class SecretsOfAKey(ReadOnlyInline):
    model = Credential
    fk_name = "api_key"
    fields = ("prefix", "last_four", "created_at", "expires_at")
    readonly_fields = fields
    verbose_name = "secret"
    verbose_name_plural = "secrets, kept only as a SHA-256"


class APIKeyAdmin(OperatorAdmin):
    may_add = True
    list_display = ("named", "workspace", "kind_label", "status_label", "created_at", "last_used_at", "expires_at")
    list_display_links = ("named",)
    list_filter = (("workspace", AutocompleteSelectFilter), ("kind", ChoicesDropdownFilter), StatusFilter)
    list_select_related = ("workspace",)
    search_fields = ("public_id__exact", "name__icontains")
    search_help_text = "A key's id, or a part of its name"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("name", "public_id"),
        ("workspace", "kind"),
        ("may_also", "models"),
        ("created_at", "status_label"),
        ("created_by", "created_by_key"),
        ("last_used_at", "expires_at"),
        ("revoked_at", "frozen"),
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    inlines = (SecretsOfAKey,)
    actions_detail = ("change_key", "rotate", "freeze", "unfreeze", "revoke")

    @display(description="key")
    def named(self, key: APIKey) -> SafeString:
        return format_html('<span>{}<br><span class="console-note">{}</span></span>', key.name, key.public_id)

    @display(description="kind", label=KIND_LABELS)
    def kind_label(self, key: APIKey) -> str:
        return key.kind

    @display(description="status", label=STATUS_LABELS)
    def status_label(self, key: APIKey) -> str:
        return key.status(timezone.now())

    @display(description="beside reading, it may")
    def may_also(self, key: APIKey) -> str:
        if not has_scopes(key.kind):
            return "-"
        return ", ".join(APIKey.Scope(scope).label.lower() for scope in key.scopes) or "nothing: it only reads"

    @display(description="frozen")
    def frozen(self, key: APIKey) -> str:
        if key.frozen_at is None:
            return "-"
        return f"{key.get_frozen_reason_display()}, {key.frozen_at:%Y-%m-%d %H:%M} UTC, by {freezer_of(key)}"

    @display(description="models")
    def models(self, key: APIKey) -> str:
        return models_text(key.allowed_models) if asks_models(key.kind) else "-"

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Of a revoked key only the name can be changed; one is either frozen or unfrozen."""
        actions = super().get_actions_detail(request, object_id)
        key = self.get_object(request, str(object_id))
        if key is None or key.revoked_at is not None:
            missing = {"rotate", "revoke", "freeze", "unfreeze"}
        else:
            missing = {"unfreeze" if key.frozen_at is None else "freeze"}
        return [each for each in actions if each.path not in missing]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        def create(asked: dict[str, Any]) -> HttpResponse:
            key, secret = issue.create_key(
                asked["workspace"],
                asked["kind"],
                asked["name"],
                actor_of(request),
                timezone.now(),
                user=operator_of(request),
                expires_at=asked["expires_at"],
                scopes=asked["scopes"],
            )
            return secret_page(request, self, key, f"The secret of “{key.name}”", secret, self._page_of(key))

        return FormPage(
            title="Create an API key",
            act=create,
            back=reverse("admin:workspaces_apikey_changelist"),
            form_class=NewKeyForm,
            submit="Create the key",
            initial={
                "workspace": request.GET.get("workspace"),
                "kind": request.GET.get("kind"),
                "scopes": APIKey.Scope.values,
            },
        ).respond(request, self)

    @action(description="Change", url_path="edit", icon="edit")
    def change_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = get_object_or_404(APIKey, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            if asked.get("models", key.allowed_models) == initial["models"]:
                asked.pop("models", None)  # what was not touched stays: a key may also be allowed none
            issue.change_key(key, asked, actor_of(request), timezone.now(), operator_of(request))
            messages.success(request, "The key is saved.")
            return redirect(self._page_of(key))

        initial = {"name": key.name, "scopes": key.scopes, "expires_at": key.expires_at, "models": key.allowed_models or None}
        page = FormPage("Change the key", act, self._page_of(key), change_form_of(key), initial=initial)
        return page.respond(request, self, key)

    @action(description="Rotate", url_path="rotate", icon="autorenew")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = get_object_or_404(APIKey, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            secret = issue.rotate_key(key, asked["grace"], actor_of(request), timezone.now(), user=operator_of(request))
            return secret_page(request, self, key, f"The new secret of “{key.name}”", secret, self._page_of(key))

        intro = "The key keeps its id and gets a new secret. Choose how long the old one still works meanwhile."
        page = FormPage(
            "Rotate the key", act, self._page_of(key), fields.GraceForm, intro, "Rotate the key", initial={"grace": USUAL_GRACE}
        )
        return page.respond(request, self, key)

    @action(description="Freeze", url_path="freeze", icon="ac_unit")
    def freeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = get_object_or_404(APIKey, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            frozen = freezing.freeze_key(key, actor_of(request), timezone.now(), operator_of(request))
            messages.success(request, "The key is frozen." if frozen else "The key was frozen before.")
            return redirect(self._page_of(key))

        intro = f"{key.name} is refused from now on, until you or an owner or admin of its workspace unfreezes it."
        return FormPage("Freeze the key", act, self._page_of(key), intro=intro, danger=True).respond(request, self, key)

    @action(description="Unfreeze", url_path="unfreeze", icon="mode_heat")
    def unfreeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = get_object_or_404(APIKey, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            unfrozen = freezing.unfreeze_key(key, actor_of(request), timezone.now(), operator_of(request))
            messages.success(request, "The key works again." if unfrozen else "The key was not frozen.")
            return redirect(self._page_of(key))

        intro = f"Every secret of {key.name} works again. If one of them leaked, rotate the key first."
        return FormPage("Unfreeze the key", act, self._page_of(key), intro=intro).respond(request, self, key)

    @action(description="Revoke", url_path="revoke", icon="block", variant=ActionVariant.DANGER)
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = get_object_or_404(APIKey, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            revoked = issue.revoke_key(key, actor_of(request), timezone.now(), operator_of(request))
            messages.success(request, "The key is revoked." if revoked else "The key was revoked before.")
            return redirect(self._page_of(key))

        intro = f"{key.name} stops working at once and for good. Usage it caused before is still counted."
        page = FormPage("Revoke the key", act, self._page_of(key), intro=intro, danger=True)
        return page.respond(request, self, key)

    def _page_of(self, key: APIKey) -> str:
        return reverse("admin:workspaces_apikey_change", args=[key.pk])


admin.site.register(APIKey, APIKeyAdmin)
