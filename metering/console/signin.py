"""How operators sign in: on the page that all people use, so that a second factor is asked for here too."""

from __future__ import annotations

from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter

from workspaces.console.kit.base import OperatorAdmin
from workspaces.signin import changed
from workspaces.signin.second_factor import FACTORS


class EmailAddressAdmin(OperatorAdmin):
    may_change = True
    list_display = ("email", "user", "primary", "verified")
    list_filter = (("verified", BooleanRadioFilter),)
    list_select_related = ("user",)
    search_fields = ("email__icontains",)
    fields = (("user", "email"), ("primary", "verified"))
    readonly_fields = ("user", "email", "primary")


class AuthenticatorAdmin(OperatorAdmin):
    """For a person who lost their phone: without the factor they get in by password, and set up another. Its secret is not
    shown."""

    called = "Second factors"
    when_empty = "People set up a second factor in their own settings."
    may_delete = True
    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = (("type", ChoicesDropdownFilter),)
    list_select_related = ("user",)
    search_fields = ("user__email__icontains",)
    fields = (("user", "type"), ("created_at", "last_used_at"))
    readonly_fields = ("user", "type", "created_at", "last_used_at")

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        super().delete_model(request, obj)
        if obj.type in FACTORS:
            changed.factor_removed(request, obj.user, obj.type)


# Roles belong to memberships, and is_staff makes an operator: Django's groups would promise more than is asked.
# Sessions are ended on the page of their person.
for plain in (Group, EmailAddress, Authenticator, UserSession):
    admin.site.unregister(plain)
admin.site.register(EmailAddress, EmailAddressAdmin)
admin.site.register(Authenticator, AuthenticatorAdmin)


def change_own_password(request: HttpRequest, **rest: Any) -> HttpResponse:
    """Django's own page would tell nobody of the change: there is one page for it."""
    return redirect("account_change_password")


admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.password_change = change_own_password  # type: ignore[method-assign, assignment]
