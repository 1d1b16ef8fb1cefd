"""The forms of the customer pages. They check what was typed; whether it is allowed is decided where it is done."""

from typing import Any

from django import forms

from omixa_billing.api.errors import Refusal
from workspaces.keys.makers import KeyChoice, choice_offered, choice_sent
from workspaces.models import APIKey, Membership


class RefusableForm(forms.Form):
    """Says what is wrong where it was typed, and leads there: the first such field has the focus when the page opens."""

    def refuse(self, refusal: Refusal) -> bool:
        """Puts a refusal on the field that it names; False where it names none of these."""
        if refusal.param not in self.fields:
            return False
        self.add_error(refusal.param, refusal.message)
        return True

    def add_error(self, field: str | None, error: Any) -> None:
        first = not self.errors
        super().add_error(field, error)
        if first and field is not None:
            self.fields[field].widget.attrs["autofocus"] = True

    def show(self, refusal: Refusal) -> None:
        """On its field, or above all of them."""
        if not self.refuse(refusal):
            self.add_error(None, refusal.message)


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
        super().__init__(sent, initial=choice_offered(keys))
        choices = [(key.public_id, _key_in_words(key)) for key in keys]
        self.fields["revoke"] = forms.MultipleChoiceField(
            choices=choices, required=False, widget=forms.CheckboxSelectMultiple, label="Revoke these keys"
        )

    @property
    def choice(self) -> KeyChoice:
        return choice_sent(self.cleaned_data)


def _key_in_words(key: APIKey) -> str:
    kind = key.get_kind_display() + (f", {key.limits_in_words}" if key.limits_in_words else "")
    used = f"last used on {key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
    return f"{key.name} ({kind}, {used})"


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Membership.Role.choices)
