"""Keys of operators: superusers make them, every operator sees and revokes them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from workspaces.console.keys import STATUS_LABELS
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of, operator_of
from workspaces.console.kit.pages import FormPage, secret_page
from workspaces.operators.keys import create_operator_key, is_superuser, revoke_operator_key
from workspaces.operators.models import OperatorKey


class NewOperatorKeyForm(forms.Form):
    name = fields.text("name", max_length=200)
    scopes = fields.choices_field("what it may do", OperatorKey.Scope.choices, "At /api/v1/operator/, and nowhere else.")
    expires_at = fields.instant_field("expires at (UTC)", "Empty: after 90 days. At most a year.", required=False)


class OperatorKeyAdmin(OperatorAdmin):
    called = "Operators' keys"
    when_empty = "A superuser makes keys for programs that keep the books."
    may_add = True
    list_display = ("name", "public_id", "may", "status_label", "expires_at", "last_used_at")
    search_fields = ("public_id__exact", "name__icontains")
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("name", "public_id"),
        ("may", "status_label"),
        ("created_at", "created_by"),
        ("expires_at", "revoked_at"),
        "secret",
    )
    readonly_fields = (
        *("name", "public_id", "may", "status_label", "created_at", "created_by", "expires_at", "revoked_at"),
        *("last_used_at", "secret"),
    )
    actions_detail = ("revoke",)

    @display(description="may")
    def may(self, key: OperatorKey) -> str:
        return key.scopes_in_words

    @display(description="status", label=STATUS_LABELS)
    def status_label(self, key: OperatorKey) -> str:
        return key.status(timezone.now())

    @display(description="secret")
    def secret(self, key: OperatorKey) -> str:
        return f"{key.prefix}…{key.last_four}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and is_superuser(operator_of(request))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        key = self.get_object(request, str(object_id))
        return super().get_actions_detail(request, object_id) if key is not None and key.revoked_at is None else []

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied

        def create(asked: dict[str, Any]) -> HttpResponse:
            now, user = timezone.now(), operator_of(request)
            what = asked["name"], asked["scopes"], asked["expires_at"]
            key, secret = create_operator_key(*what, actor_of(request), now, user)
            return secret_page(request, self, key, f"The secret of “{key.name}”", secret, self._page_of(key))

        back = reverse("admin:workspaces_operatorkey_changelist")
        initial = {"scopes": [OperatorKey.Scope.READ.value]}
        page = FormPage("Create a key of operators", create, back, NewOperatorKeyForm, submit="Create the key", initial=initial)
        return page.respond(request, self)

    @action(description="Revoke", url_path="revoke", icon="block", variant=ActionVariant.DANGER)
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = get_object_or_404(OperatorKey, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            revoked = revoke_operator_key(key, actor_of(request), timezone.now())
            messages.success(request, "The key is revoked." if revoked else "The key was revoked before.")
            return redirect(self._page_of(key))

        intro = f"{key.name} stops working at once. What it did stays."
        return FormPage("Revoke the key", act, self._page_of(key), intro=intro, danger=True).respond(request, self, key)

    def _page_of(self, key: OperatorKey) -> str:
        return reverse("admin:workspaces_operatorkey_change", args=[key.pk])


admin.site.register(OperatorKey, OperatorKeyAdmin)
