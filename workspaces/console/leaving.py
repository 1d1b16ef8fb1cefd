"""The part of a form that lists the keys of a person who leaves, or whose role manages keys no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from workspaces.console.kit import fields
from workspaces.keys.makers import choice_offered
from workspaces.models import APIKey


class KeysOfALeavingPerson:
    """What is ticked at first, and what an answer chooses, says `workspaces.keys.makers`."""

    def __init__(self, keys: Sequence[APIKey]) -> None:
        self.keys = keys

    @property
    def initial(self) -> dict[str, Any]:
        return choice_offered(self.keys)

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
