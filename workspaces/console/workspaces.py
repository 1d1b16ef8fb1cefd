"""Workspaces and who belongs to them. The page that also shows spend is registered by metering, which knows it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from unfold.contrib.filters.admin import AutocompleteSelectFilter, BooleanRadioFilter, ChoicesDropdownFilter, RadioFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from workspaces.console.invitations import deliver_and_report
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, ReadOnlyInline, actor_of, operator_of
from workspaces.console.kit.pages import FormPage
from workspaces.console.leaving import KeysOfALeavingPerson
from workspaces.keys import issue
from workspaces.keys.allowed_models import change_workspace_models, models_text
from workspaces.keys.makers import choice_sent, keys_of_person
from workspaces.members import members
from workspaces.members.invitations.invite import invite
from workspaces.models import Invitation, Membership, Workspace

ROLE_LABELS = {"owner": "primary", "admin": "info", "billing": "success", "viewer": ""}
ROLES = [(role.value, role.label) for role in Membership.Role]


class NewWorkspaceForm(forms.Form):
    name = fields.text("name", max_length=200)
    email = fields.email("email", "Where invoices go.", required=False)
    sandbox = fields.switch_field("sandbox", "Metered and priced like any other, and never invoiced.")


class NewMemberForm(forms.Form):
    email = fields.email("email", "The person gets a mail with a link, and is a member once they accept.")
    role = fields.choice("role", ROLES)


class ModelsForm(forms.Form):
    models = fields.model_names("models its keys may ask for", "One a line, as clients name them. Empty: all.")
    refuses_unpriced = fields.switch_field("refuse a model that has no price", "Else it is recorded, and priced later.")


class MemberRoleForm(forms.Form):
    role = fields.choice("role", ROLES)


class SuspendedFilter(RadioFilter):
    title = "suspended"
    parameter_name = "suspended"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Workspace]) -> QuerySet[Workspace]:
        asked = {"yes": False, "no": True}.get(str(self.value()))
        return queryset if asked is None else queryset.filter(suspended_at__isnull=asked)


class MembersOfAWorkspace(ReadOnlyInline):
    model = Membership
    fields = ("user", "role", "created_at", "page")
    readonly_fields = fields
    verbose_name_plural = "members"
    template_after = "console/workspaces/invite_member.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user", "workspace").order_by("user__email")


class InvitationsOfAWorkspace(ReadOnlyInline):
    model = Invitation
    fields = ("email", "role", "created_at", "expires_at", "page")
    readonly_fields = fields
    verbose_name_plural = "open invitations"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invitation]:
        return super().get_queryset(request).filter(state=Invitation.State.PENDING).select_related("workspace")


class WorkspaceAdmin(OperatorAdmin):
    """Without figures; see the console of metering."""

    may_add = True
    may_change = True
    list_filter = (("sandbox", BooleanRadioFilter), SuspendedFilter)
    search_fields = ("public_id__exact", "name__icontains", "email__icontains")
    search_help_text = "A workspace's id, or a part of its name or address"
    ordering = ("name", "id")
    fields: Any = (("name", "email"), ("public_id", "created_at"), ("billed", "currency"), "models")
    readonly_fields: Any = ("public_id", "created_at", "billed", "currency", "models")
    inlines = (MembersOfAWorkspace, InvitationsOfAWorkspace)
    actions_detail: Any = ("create_key", "invite_member")

    @display(description="kind", label={"sandbox": "info", "suspended": "danger"})
    def kind(self, workspace: Workspace) -> str:
        if workspace.suspended_at is not None:
            return "suspended"
        return "sandbox" if workspace.sandbox else ""

    @display(description="models")
    def models(self, workspace: Workspace) -> str:
        unpriced = "; without a price refused" if workspace.refuses_unpriced else ""
        return models_text(workspace.allowed_models) + unpriced

    @display(description="kind")
    def billed(self, workspace: Workspace) -> str:
        return "sandbox: metered and priced, never invoiced" if workspace.sandbox else "customer: invoiced every month"

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Members are invited under the table of them."""
        actions = super().get_actions_detail(request, object_id)
        return [each for each in actions if getattr(each, "path", "") != "invite"]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        def create(asked: dict[str, Any]) -> HttpResponse:
            workspace = issue.create_workspace(
                asked["name"], asked["email"], actor_of(request), timezone.now(), sandbox=asked["sandbox"]
            )
            messages.success(request, f"{workspace.name} exists. Give it members and a key.")
            return redirect(workspace_admin_url(workspace))

        back = reverse("admin:workspaces_workspace_changelist")
        page = FormPage("Create a workspace", create, back, NewWorkspaceForm, submit="Create the workspace")
        return page.respond(request, self)

    @action(description="Create a key", url_path="create-key", icon="key")
    def create_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        workspace = get_object_or_404(Workspace, pk=object_id)
        kind = "test" if workspace.sandbox else "live"
        return redirect(f"{reverse('admin:workspaces_apikey_add')}?workspace={workspace.pk}&kind={kind}")

    @action(description="Invite a member", url_path="invite", icon="person_add")
    def invite_member(self, request: HttpRequest, object_id: str) -> HttpResponse:
        workspace = get_object_or_404(Workspace, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            operator, actor = operator_of(request), actor_of(request)
            made = invite(workspace, asked["email"], asked["role"], operator, actor, timezone.now(), by_operator=True)
            deliver_and_report(request, *made)
            return redirect(workspace_admin_url(workspace))

        page = FormPage(
            "Invite a member",
            act,
            workspace_admin_url(workspace),
            NewMemberForm,
            submit="Send the invitation",
            initial={"role": "owner"},
        )
        return page.respond(request, self, workspace)

    @action(description="Allowed models", url_path="models", icon="neurology")
    def allowed_models(self, request: HttpRequest, object_id: str) -> HttpResponse:
        workspace = get_object_or_404(Workspace, pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            change_workspace_models(workspace, asked["models"], asked["refuses_unpriced"], actor_of(request), timezone.now())
            messages.success(request, "The allowed models are saved. Gateways hear of it at once.")
            return redirect(workspace_admin_url(workspace))

        initial = {"models": workspace.allowed_models, "refuses_unpriced": workspace.refuses_unpriced}
        page = FormPage("Save the allowed models", act, workspace_admin_url(workspace), ModelsForm, initial=initial)
        return page.respond(request, self, workspace)


class MembershipAdmin(OperatorAdmin):
    called = "Members"
    when_empty = "Members are invited on the page of their workspace."
    list_display = ("user", "workspace", "role_label", "created_at")
    list_filter = (("workspace", AutocompleteSelectFilter), ("role", ChoicesDropdownFilter))
    list_select_related = ("user", "workspace")
    search_fields = ("user__email__icontains", "workspace__name__icontains")
    ordering = ("-id",)
    fields = (("user", "workspace"), ("role", "created_at"))
    readonly_fields = ("user", "workspace", "role", "created_at")
    actions_detail = ("change_role", "remove")

    @display(description="role", label=ROLE_LABELS)
    def role_label(self, membership: Membership) -> str:
        return membership.role

    @action(description="Change the role", url_path="role", icon="badge")
    def change_role(self, request: HttpRequest, object_id: str) -> HttpResponse:
        membership = get_object_or_404(Membership.objects.select_related("user", "workspace"), pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            choice = choice_sent(asked)
            members.change_role(membership, asked["role"], actor_of(request), timezone.now(), choice)
            messages.success(request, f"{membership.user} is now {asked['role']} of {membership.workspace}.")
            return redirect(workspace_admin_url(membership.workspace))

        back = reverse("admin:workspaces_membership_change", args=[membership.pk])
        keys = KeysOfALeavingPerson(keys_of_person(membership.workspace, membership.user, timezone.now()))
        intro = "A member who becomes Billing or Viewer manages no keys from then on. Those they know are listed."
        initial = keys.initial | {"role": membership.role}
        page = FormPage("Change the role", act, back, keys.form(MemberRoleForm), intro, initial=initial)
        return page.respond(request, self, membership)

    @action(description="Remove", url_path="remove", icon="person_remove", variant=ActionVariant.DANGER)
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        membership = get_object_or_404(Membership.objects.select_related("user", "workspace"), pk=object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            members.remove_member(membership, actor_of(request), timezone.now(), choice_sent(asked))
            messages.success(request, f"{membership.user} is no longer a member of {membership.workspace}.")
            return redirect(workspace_admin_url(membership.workspace))

        back = reverse("admin:workspaces_membership_change", args=[membership.pk])
        intro = f"{membership.user} will not see {membership.workspace} any more. The account and its other workspaces stay."
        keys = KeysOfALeavingPerson(keys_of_person(membership.workspace, membership.user, timezone.now()))
        page = FormPage(
            "Remove the member", act, back, keys.form(), intro, "Remove the member", danger=True, initial=keys.initial
        )
        return page.respond(request, self, membership)


def workspace_admin_url(workspace: Workspace) -> str:
    return reverse("admin:workspaces_workspace_change", args=[workspace.pk])


admin.site.register(Membership, MembershipAdmin)
