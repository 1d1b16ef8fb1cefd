"""The part of a form that lists the keys of a person who leaves, or whose role manages keys no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from workspaces.console.kit import fields
from workspaces.keys.makers import KeyChoice
from workspaces.models import APIKey


class KeysOfALeavingPerson:
    """`shown` are the keys that were on the page: newer admin ones are not chosen, and so revoked."""

    def __init__(self, keys: Sequence[APIKey]) -> None:
        self.keys = keys

    @property
    def initial(self) -> dict[str, Any]:
        admin = [key.public_id for key in self.keys if key.kind == APIKey.Kind.ADMIN]
        return {"revoke": admin, "shown": " ".join(key.public_id for key in self.keys)}

    def form(self, base: type[forms.Form] = forms.Form) -> type[forms.Form]:
        several = len({key.workspace_id for key in self.keys}) > 1
        named = [(key.public_id, in_words(key, with_workspace=several)) for key in self.keys]
        help_text = "Keys that the person made or was shown the secret of. Those not ticked keep working, also for them."
        revoke = fields.choices_field("revoke these keys", named, help_text)
        shown = forms.CharField(required=False, widget=forms.HiddenInput)
        return type("FormWithKeys", (base,), {"revoke": revoke, "shown": shown} if named else {"shown": shown})


def in_words(key: APIKey, with_workspace: bool) -> str:
    workspace = f" of {key.workspace.name}" if with_workspace else ""
    return f"{key.name}: {key.kind} key {key.public_id}{workspace}"


def choice_of(asked: dict[str, Any]) -> KeyChoice:
    revoke = set(asked.get("revoke", ()))
    return KeyChoice(revoke, set(asked["shown"].split()) - revoke)
