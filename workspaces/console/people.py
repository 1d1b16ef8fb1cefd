"""People: who may sign in, who is an operator, and which workspaces they belong to."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.forms import UserChangeForm as DjangoUserChangeForm
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from workspaces.console.kit.base import OperatorAdmin, ReadOnlyInline, actor_of
from workspaces.console.kit.pages import FormPage
from workspaces.console.leaving import KeysOfALeavingPerson
from workspaces.keys.makers import choice_sent, keys_of_person
from workspaces.members import switching_off
from workspaces.models import Membership, User
from workspaces.signin import changed


class LowercaseEmail:
    """One spelling per address, as everywhere else."""

    cleaned_data: dict[str, Any]

    def clean_email(self) -> str:
        return self.cleaned_data["email"].lower()


class NewUserForm(LowercaseEmail, UserCreationForm):
    """Unfold's form, for people who sign in with their address."""

    class Meta(AdminUserCreationForm.Meta):
        model = User
        fields = ("email",)
        field_classes = {}


class ChangedUserForm(LowercaseEmail, UserChangeForm):
    class Meta(DjangoUserChangeForm.Meta):
        model = User
        fields = "__all__"
        field_classes = {}


class MembershipsOfAPerson(ReadOnlyInline):
    model = Membership
    fields = ("workspace", "role", "created_at")
    readonly_fields = fields
    verbose_name_plural = "workspaces"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("workspace", "user")


class UserAdmin(DjangoUserAdmin, OperatorAdmin):  # type: ignore[misc]
    """People are switched off rather than deleted: keys and the audit trail name them."""

    called = "People"
    may_add = True
    may_change = True
    form = ChangedUserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "full_name", "operator", "active", "membership_count", "last_login")
    list_filter = (("is_staff", BooleanRadioFilter), ("is_active", BooleanRadioFilter))
    search_fields = ("email__icontains", "first_name__icontains", "last_name__icontains")
    ordering = ("email",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined", "active")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("Person", {"fields": (("first_name", "last_name"), ("active", "is_staff"), ("last_login", "date_joined"))}),
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2", "is_staff")}),)
    inlines = (MembershipsOfAPerson,)

    actions_detail = ("sign_out_everywhere", "switch_off", "switch_on")

    @action(description="Sign out everywhere", url_path="sign-out", icon="logout")
    def sign_out_everywhere(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = get_object_or_404(User, pk=object_id)
        page = reverse("admin:workspaces_user_change", args=[user.pk])

        def act(asked: dict[str, Any]) -> HttpResponse:
            changed.sessions_were_ended(request, user)
            messages.success(request, f"{user} is signed out everywhere.")
            return redirect(page)

        intro = f"Every session of {user} ends at once, on every device. They can sign in again."
        form = FormPage("Sign this person out everywhere", act, page, intro=intro, submit="Sign out everywhere", danger=True)
        return form.respond(request, self, user)

    @action(description="Switch off", url_path="switch-off", icon="person_off", variant=ActionVariant.DANGER)
    def switch_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user, now = get_object_or_404(User, pk=object_id), timezone.now()
        page = reverse("admin:workspaces_user_change", args=[user.pk])

        def act(asked: dict[str, Any]) -> HttpResponse:
            switching_off.switch_off(user, actor_of(request), timezone.now(), choice_sent(asked))
            messages.success(request, f"{user} is switched off.")
            return redirect(page)

        intro = (
            f"{user} can no longer sign in, and every session ends at once. Memberships stay, for when you switch it on again."
        )
        keys = KeysOfALeavingPerson(keys_of_person(None, user, now))
        title, button = "Switch off this account", "Switch off the account"
        form = FormPage(title, act, page, keys.form(), intro, button, danger=True, initial=keys.initial)
        return form.respond(request, self, user)

    @action(description="Switch on", url_path="switch-on", icon="person_check")
    def switch_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = get_object_or_404(User, pk=object_id)
        page = reverse("admin:workspaces_user_change", args=[user.pk])

        def act(asked: dict[str, Any]) -> HttpResponse:
            switching_off.switch_on(user, actor_of(request), timezone.now())
            messages.success(request, f"{user} may sign in again.")
            return redirect(page)

        intro = f"{user} may sign in again, with the memberships from before. Keys that were revoked stay revoked."
        return FormPage("Switch on this account", act, page, intro=intro, submit="Switch on the account").respond(
            request, self, user
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        user = self.get_object(request, str(object_id))
        gone = "switch-off" if user is None or not user.is_active else "switch-on"
        return [each for each in super().get_actions_detail(request, object_id) if getattr(each, "path", "") != gone]

    def log_addition(self, request: HttpRequest, obj: User, message: Any) -> None:  # type: ignore[override]
        """Saving a person leaves the entry, here as everywhere."""

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> None:  # type: ignore[override]
        """As above, with each value before and after."""

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        before = User.objects.get(pk=obj.pk) if change else None
        super().save_model(request, obj, form, change)
        if before is not None and before.email != obj.email:
            changed.address_changed(request, obj, before.email)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Django's page. The person's sessions end with the password, as a session fits one password only."""
        before = self.get_object(request, unquote(id))
        response = super().user_change_password(request, id, form_url)
        if before is not None and User.objects.get(pk=before.pk).password != before.password:
            changed.password(request, before)
        return response

    def get_inlines(self, request: HttpRequest, obj: User | None) -> tuple[Any, ...]:
        return self.inlines if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).annotate(membership_total=Count("memberships"))

    def get_form(self, request: HttpRequest, obj: User | None = None, **kwargs: Any) -> Any:  # type: ignore[override]
        form = super().get_form(request, obj, **kwargs)
        if "is_staff" in form.base_fields:
            form.base_fields["is_staff"].label = "Operator"
            form.base_fields["is_staff"].help_text = "May use this console."
        return form

    @display(description="name")
    def full_name(self, user: User) -> str:
        return user.get_full_name() or "-"

    @display(description="operator", label={"operator": "info"}, ordering="is_staff")
    def operator(self, user: User) -> str:
        return "operator" if user.is_staff else ""

    @display(description="status", label={"active": "success", "switched off": "danger"}, ordering="is_active")
    def active(self, user: User) -> str:
        return "active" if user.is_active else "switched off"

    @display(description="workspaces", ordering="membership_total")
    def membership_count(self, user: Any) -> int:
        return user.membership_total


admin.site.register(User, UserAdmin)
