"""The forms of the customer pages. They check what was typed; whether it is allowed is decided where it is done."""

from django import forms

from workspaces.models import Membership


class NameForm(forms.Form):
    name = forms.CharField(max_length=200)


class WorkspaceForm(NameForm):
    email = forms.EmailField(required=False, label="Billing email", help_text="Where invoices go.")


class MemberForm(forms.Form):
    email = forms.EmailField(label="Email address")
    role = forms.ChoiceField(choices=Membership.Role.choices, initial=Membership.Role.VIEWER)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Membership.Role.choices)
