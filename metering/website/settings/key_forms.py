"""The forms of the pages about keys. They check what was typed; whether it is allowed is decided where it is done."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings

from metering.website.forms import NameForm
from workspaces.keys.limits import USUAL, ChosenExpiry
from workspaces.models import APIKey, Workspace

USUAL_CHOICE, UNCHANGED = "usual", "unchanged"
EXPIRIES = [("", "Never"), ("7", "In 7 days"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year")]
GRACES = [("0", "Stop at once"), ("3600", "For an hour"), ("86400", "For a day"), ("604800", "For a week")]
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
        label="An admin key may also",
        help_text="With neither it only reads.",
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
        return self.cleaned_data["scopes"] if self.cleaned_data["kind"] == APIKey.Kind.ADMIN else None


class KeyChangeForm(NameForm):
    """What may be changed of a key: of a revoked one its name alone, and scopes of an admin key."""

    scopes = scopes_field()
    expires = forms.ChoiceField(choices=[(UNCHANGED, "As it is now"), *EXPIRIES], required=False, label="Expires")

    def __init__(self, sent: Any, key: APIKey) -> None:
        super().__init__(sent, initial={"name": key.name, "expires": UNCHANGED, "scopes": key.scopes})
        self.fields["scopes"].label = "Beside reading, the key may"
        if key.revoked_at is not None or key.kind != APIKey.Kind.ADMIN:
            del self.fields["scopes"]
        if key.revoked_at is not None:
            del self.fields["expires"]

    def changes(self, now: datetime) -> dict[str, Any]:
        """As `issue.change_key` takes them."""
        chosen = self.cleaned_data
        changes: dict[str, Any] = {"name": chosen["name"]}
        if "scopes" in chosen:
            changes["scopes"] = chosen["scopes"]
        if chosen.get("expires", UNCHANGED) != UNCHANGED:
            changes["expires_at"] = _in_days(chosen["expires"], now)
        return changes


class RotateForm(forms.Form):
    grace = forms.ChoiceField(choices=GRACES, initial="86400", label="The old secret keeps working")


def _in_days(days: str, now: datetime) -> datetime | None:
    return now.replace(microsecond=0) + timedelta(days=int(days)) if days else None
