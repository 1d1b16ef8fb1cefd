"""The forms of the pages about keys. They check what was typed; whether it is allowed is decided where it is done."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings

from metering.website.forms import NameForm
from workspaces.keys.allowed_models import lines_of_models, models_of_lines
from workspaces.keys.credentials import GRACES, USUAL_GRACE
from workspaces.keys.limits import (
    NO_SCOPES,
    SCOPES_OF_KEY,
    SCOPES_OF_NEW_KEY,
    USUAL,
    ChosenExpiry,
    changeable,
    has_scopes,
)
from workspaces.models import APIKey, Workspace

USUAL_CHOICE, UNCHANGED = "usual", "unchanged"
EXPIRIES = [("", "Never"), ("7", "In 7 days"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year")]
KINDS = {
    APIKey.Kind.LIVE: "Live: calls models through the gateway",
    APIKey.Kind.TEST: "Test: calls models in this sandbox",
    APIKey.Kind.ADMIN: "Admin: reads usage and invoices through the API, and what you allow below",
}


def scopes_field() -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        choices=APIKey.Scope.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=SCOPES_OF_NEW_KEY,
        help_text=NO_SCOPES,
    )


def models_field() -> forms.CharField:
    return forms.CharField(
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Models it may ask for",
        help_text="One a line, as clients name them. Empty: all that the workspace may ask for.",
    )


class KeyForm(NameForm):
    """What kinds are offered depends on the workspace: a sandbox has test keys in place of live ones."""

    kind = forms.ChoiceField()
    scopes = scopes_field()
    expires = forms.ChoiceField(required=False, label="Expires")

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        calling = APIKey.Kind.TEST if workspace.sandbox else APIKey.Kind.LIVE
        self.fields["kind"] = forms.ChoiceField(choices=[(kind, KINDS[kind]) for kind in (calling, APIKey.Kind.ADMIN)])
        self.fields["name"].help_text = "Say where it is used, such as “production server”."
        self.fields["scopes"].initial = APIKey.Scope.values
        days = settings.ADMIN_KEY_DAYS
        usual = [] if days is None else [(USUAL_CHOICE, f"Admin keys in {days} days, {calling} keys never")]
        first = USUAL_CHOICE if usual else ""
        self.fields["expires"] = forms.ChoiceField(choices=[*usual, *EXPIRIES], initial=first, required=False, label="Expires")

    def expires_at(self, now: datetime) -> ChosenExpiry:
        chosen = self.cleaned_data["expires"]
        return USUAL if chosen == USUAL_CHOICE else _in_days(chosen, now)

    @property
    def chosen_scopes(self) -> list[str] | None:
        """Only an admin key has any: for the other kinds the boxes mean nothing."""
        return self.cleaned_data["scopes"] if has_scopes(self.cleaned_data["kind"]) else None


class KeyChangeForm(NameForm):
    """`changeable` decides which of its fields a key has."""

    scopes = scopes_field()
    models = models_field()
    expires = forms.ChoiceField(choices=[(UNCHANGED, "As it is now"), *EXPIRIES], required=False, label="Expires")

    def __init__(self, sent: Any, key: APIKey) -> None:
        initial = {"name": key.name, "expires": UNCHANGED, "scopes": key.scopes, "models": lines_of_models(key.allowed_models)}
        super().__init__(sent, initial=initial)
        self.fields["scopes"].label = SCOPES_OF_KEY
        may_change = changeable(key)
        for field, name in (("scopes", "scopes"), ("models", "models"), ("expires", "expires_at")):
            if name not in may_change:
                del self.fields[field]

    def changes(self, now: datetime) -> dict[str, Any]:
        """As `issue.change_key` takes them."""
        chosen = self.cleaned_data
        changes: dict[str, Any] = {"name": chosen["name"]}
        if "scopes" in chosen:
            changes["scopes"] = chosen["scopes"]
        if "models" in self.changed_data:  # what was not touched stays: a key may also be allowed none
            changes["models"] = models_of_lines(chosen["models"])
        if chosen.get("expires", UNCHANGED) != UNCHANGED:
            changes["expires_at"] = _in_days(chosen["expires"], now)
        return changes


class RotateForm(forms.Form):
    grace = forms.ChoiceField(choices=GRACES, initial=USUAL_GRACE, label="The old secret keeps working")


def _in_days(days: str, now: datetime) -> datetime | None:
    return now.replace(microsecond=0) + timedelta(days=int(days)) if days else None
