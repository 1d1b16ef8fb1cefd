"""Gateways and their tokens: create, rename, rotate, revoke."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from workspaces.console.keys import STATUS_LABELS, SecretsOfAKey
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage, secret_page
from workspaces.keys import issue
from workspaces.keys.credentials import USUAL_GRACE
from workspaces.models import Gateway


class GatewayNameForm(forms.Form):
    name = fields.text("name", max_length=200)


class SecretsOfAGateway(SecretsOfAKey):
    fk_name = "gateway"


class ReachForm(forms.Form):
    workspaces = fields.workspaces(
        "bound to",
        "Whose usage it may send and correct; what it sends for others goes to the quarantine. Empty: every workspace's.",
    )
    may_correct_all = fields.switch_field(
        "may correct what other gateways sent", "Otherwise it corrects only what it sent itself, which is what most need."
    )


class NewGatewayForm(GatewayNameForm, ReachForm):
    pass


class GatewayAdmin(OperatorAdmin):
    may_add = True
    list_display = ("name", "public_id", "status_label", "bound", "corrects", "created_at", "last_used_at")
    search_fields = ("public_id__exact", "name__icontains")
    ordering = ("name", "id")
    fields = (("name", "public_id"), ("created_at", "last_used_at"), ("status_label", "revoked_at"), ("bound", "corrects"))
    readonly_fields = tuple(name for row in fields for name in row)
    inlines = (SecretsOfAGateway,)
    actions_detail = ("rename", "reach", "rotate", "revoke")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Gateway]:
        return super().get_queryset(request).prefetch_related("workspaces")

    @display(description="bound to")
    def bound(self, gateway: Gateway) -> str:
        return ", ".join(workspace.name for workspace in gateway.workspaces.all()) or "every workspace"

    @display(description="corrects")
    def corrects(self, gateway: Gateway) -> str:
        return "what any gateway sent" if gateway.may_correct_all else "what it sent"

    @display(description="status", label=STATUS_LABELS)
    def status_label(self, gateway: Gateway) -> str:
        return "active" if gateway.revoked_at is None else "revoked"

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        actions = super().get_actions_detail(request, object_id)
        gateway = self.get_object(request, str(object_id))
        gone = gateway is None or gateway.revoked_at is not None
        return [each for each in actions if not (gone and each.path in ("reach", "rotate", "revoke"))]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        def create(asked: dict[str, Any]) -> HttpResponse:
            reach = asked["workspaces"], asked["may_correct_all"]
            gateway, token = issue.create_gateway(asked["name"], actor_of(request), timezone.now(), *reach)
            return secret_page(request, self, gateway, f"The token of “{gateway.name}”", token, self._page_of(gateway))

        back = reverse("admin:workspaces_gateway_changelist")
        return FormPage("Create a gateway", create, back, NewGatewayForm, submit="Create the gateway").respond(request, self)

    @action(description="Rename", url_path="rename", icon="edit")
    def rename(self, request: HttpRequest, object_id: str) -> HttpResponse:
        gateway = get_object_or_404(Gateway, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            issue.rename_gateway(gateway, asked["name"], actor_of(request), timezone.now())
            messages.success(request, "The gateway is renamed.")
            return redirect(self._page_of(gateway))

        page = FormPage("Rename the gateway", act, self._page_of(gateway), GatewayNameForm, initial={"name": gateway.name})
        return page.respond(request, self, gateway)

    @action(description="Reach", url_path="reach", icon="tune")
    def reach(self, request: HttpRequest, object_id: str) -> HttpResponse:
        gateway = get_object_or_404(Gateway, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            issue.change_reach(gateway, asked["workspaces"], asked["may_correct_all"], actor_of(request), timezone.now())
            messages.success(request, "The gateway's reach is changed.")
            return redirect(self._page_of(gateway))

        intro = "Whose usage this gateway may send and correct, from now on. What it sent before stays."
        initial = {"workspaces": gateway.workspaces.all(), "may_correct_all": gateway.may_correct_all}
        page = FormPage("Change the gateway's reach", act, self._page_of(gateway), ReachForm, intro, initial=initial)
        return page.respond(request, self, gateway)

    @action(description="Rotate", url_path="rotate", icon="autorenew")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        gateway = get_object_or_404(Gateway, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            token = issue.rotate_gateway(gateway, asked["grace"], actor_of(request), timezone.now())
            return secret_page(request, self, gateway, f"The new token of “{gateway.name}”", token, self._page_of(gateway))

        intro = "The gateway gets a new token. Choose how long the old one still works, until the gateway has the new one."
        page = FormPage(
            "Rotate the gateway's token",
            act,
            self._page_of(gateway),
            fields.GraceForm,
            intro,
            "Rotate the token",
            initial={"grace": USUAL_GRACE},
        )
        return page.respond(request, self, gateway)

    @action(description="Revoke", url_path="revoke", icon="block", variant=ActionVariant.DANGER)
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        gateway = get_object_or_404(Gateway, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            revoked = issue.revoke_gateway(gateway, actor_of(request), timezone.now())
            messages.success(request, "The gateway is revoked." if revoked else "The gateway was revoked before.")
            return redirect(self._page_of(gateway))

        intro = f"{gateway.name} can send no more events from now on. What it sent stays."
        page = FormPage("Revoke the gateway", act, self._page_of(gateway), intro=intro, danger=True)
        return page.respond(request, self, gateway)

    def _page_of(self, gateway: Gateway) -> str:
        return reverse("admin:workspaces_gateway_change", args=[gateway.pk])


admin.site.register(Gateway, GatewayAdmin)
