"""The forms of the customer pages. They check what was typed; whether it is allowed is decided where it is done."""

from typing import Any

from django import forms

from workspaces.keys.makers import KeyChoice
from workspaces.models import APIKey, Membership


class NameForm(forms.Form):
    name = forms.CharField(max_length=200)


class WorkspaceForm(NameForm):
    email = forms.EmailField(required=False, label="Billing email", help_text="Where invoices go.")


class MemberForm(forms.Form):
    email = forms.EmailField(label="Email address")
    role = forms.ChoiceField(choices=Membership.Role.choices, initial=Membership.Role.VIEWER)


class KeysOfAPersonForm(forms.Form):
    """Which keys of a person who leaves are revoked. `shown` are those that were on the page: newer ones are not chosen."""

    revoke = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple, label="Revoke these keys")
    shown = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, keys: list[APIKey], sent: Any = None) -> None:
        self.keys = keys
        admin = [key.public_id for key in keys if key.kind == APIKey.Kind.ADMIN]
        shown = " ".join(key.public_id for key in keys)
        super().__init__(sent, initial={"revoke": admin, "shown": shown})
        choices = [(key.public_id, _key_in_words(key)) for key in keys]
        self.fields["revoke"] = forms.MultipleChoiceField(
            choices=choices, required=False, widget=forms.CheckboxSelectMultiple, label="Revoke these keys"
        )

    @property
    def choice(self) -> KeyChoice:
        revoke = set(self.cleaned_data["revoke"])
        return KeyChoice(revoke, set(self.cleaned_data["shown"].split()) - revoke)


def _key_in_words(key: APIKey) -> str:
    kind = key.get_kind_display() + (f", {key.limits_in_words}" if key.limits_in_words else "")
    used = f"last used on {key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
    return f"{key.name} ({kind}, {used})"


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Membership.Role.choices)
