"""The forms of the customer pages. They check what was typed; whether it is allowed is decided where it is done."""

from datetime import datetime, timedelta
from typing import Any

from django import forms

from workspaces.models import APIKey, Membership, Workspace

EXPIRIES = [("", "Never"), ("7", "In 7 days"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year")]
GRACES = [("0", "Stop at once"), ("3600", "For an hour"), ("86400", "For a day"), ("604800", "For a week")]
KINDS = {
    APIKey.Kind.LIVE: "Live: calls models through the gateway",
    APIKey.Kind.TEST: "Test: calls models in this sandbox",
    APIKey.Kind.ADMIN: "Admin: manages keys and reads usage and invoices through the API",
}


class NameForm(forms.Form):
    name = forms.CharField(max_length=200)


class KeyForm(NameForm):
    """What kinds are offered depends on the workspace: a sandbox has test keys in place of live ones."""

    kind = forms.ChoiceField()
    expires = forms.ChoiceField(choices=EXPIRIES, required=False, label="Expires")

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        calling = APIKey.Kind.TEST if workspace.sandbox else APIKey.Kind.LIVE
        self.fields["kind"] = forms.ChoiceField(choices=[(kind, KINDS[kind]) for kind in (calling, APIKey.Kind.ADMIN)])
        self.fields["name"].help_text = "Say where it is used, such as “production server”."

    def expires_at(self, now: datetime) -> datetime | None:
        days = self.cleaned_data["expires"]
        return now + timedelta(days=int(days)) if days else None


class RotateForm(forms.Form):
    grace = forms.ChoiceField(choices=GRACES, initial="86400", label="The old secret keeps working")


class WorkspaceForm(NameForm):
    email = forms.EmailField(required=False, label="Billing email", help_text="Where invoices go.")


class MemberForm(forms.Form):
    email = forms.EmailField(label="Email address")
    role = forms.ChoiceField(choices=Membership.Role.choices, initial=Membership.Role.VIEWER)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Membership.Role.choices)
