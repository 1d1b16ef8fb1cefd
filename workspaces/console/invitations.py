"""Invitations: who is asked into which workspace, and what became of it. Sent on the page of the workspace."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from workspaces.console.kit.base import OperatorAdmin, actor_of, operator_of
from workspaces.console.kit.pages import FormPage
from workspaces.members.invitations.invite import resend_invitation, withdraw_invitation
from workspaces.members.invitations.mail import deliver
from workspaces.models import Invitation

STATE_LABELS = {"pending": "info", "expired": "warning", "accepted": "success", "declined": "danger", "withdrawn": ""}


class InvitationAdmin(OperatorAdmin):
    when_empty = "People are invited on the page of their workspace, or by its owners."
    list_display = ("email", "workspace", "role", "state_label", "invited_by", "created_at")
    list_filter = (("workspace", AutocompleteSelectFilter), ("state", ChoicesDropdownFilter))
    list_select_related = ("workspace", "invited_by")
    search_fields = ("email__icontains", "public_id__exact")
    ordering = ("-id",)
    fields = (
        ("email", "workspace"),
        ("role", "state_label"),
        ("invited_by", "public_id"),
        ("created_at", "expires_at"),
        ("answered_at", "mail_failed"),
    )
    readonly_fields = tuple(name for row in fields for name in row)
    actions_detail = ("resend", "withdraw")

    @display(description="state", label=STATE_LABELS)
    def state_label(self, invitation: Invitation) -> str:
        open_one = invitation.state == Invitation.State.PENDING
        return "expired" if open_one and invitation.expires_at <= timezone.now() else invitation.state

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only for one that is open."""
        invitation = self.get_object(request, str(object_id))
        is_open = invitation is not None and invitation.state == Invitation.State.PENDING
        return super().get_actions_detail(request, object_id) if is_open else []

    @action(description="Send again", url_path="send-again", icon="forward_to_inbox")
    def resend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        invitation = get_object_or_404(Invitation.objects.select_related("workspace"), pk=object_id)
        page_of_workspace = reverse("admin:workspaces_workspace_change", args=[invitation.workspace_id])

        def act(asked: dict[str, Any]) -> HttpResponse:
            deliver_and_report(
                request,
                *resend_invitation(invitation, operator_of(request), actor_of(request), timezone.now(), by_operator=True),
            )
            return redirect(page_of_workspace)

        intro = f"{invitation.email} gets another mail. The link of the one before stops working."
        page = FormPage("Send the invitation again", act, self._page_of(invitation), intro=intro)
        return page.respond(request, self, invitation)

    @action(description="Withdraw", url_path="withdraw", icon="block", variant=ActionVariant.DANGER)
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        invitation = get_object_or_404(Invitation.objects.select_related("workspace"), pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            moved = withdraw_invitation(invitation, actor_of(request), timezone.now())
            messages.success(request, "The invitation is withdrawn." if moved else "It was withdrawn before.")
            return redirect(self._page_of(invitation))

        intro = f"{invitation.email} can no longer accept it."
        page = FormPage(
            "Withdraw the invitation",
            act,
            self._page_of(invitation),
            intro=intro,
            submit="Withdraw the invitation",
            danger=True,
        )
        return page.respond(request, self, invitation)

    def _page_of(self, invitation: Invitation) -> str:
        return reverse("admin:workspaces_invitation_change", args=[invitation.pk])


def deliver_and_report(request: HttpRequest, invitation: Invitation, secret: str | None) -> None:
    """Sends the mail, and says what happened."""
    invited = f"{invitation.email} is invited to {invitation.workspace.name}"
    try:
        deliver(invitation, secret)
    except OSError:
        messages.warning(request, f"{invited}, but the mail could not be sent: `manage.py invite` prints a link to give them.")
    else:
        messages.success(request, f"{invited}. They are a member once they accept.")


admin.site.register(Invitation, InvitationAdmin)
