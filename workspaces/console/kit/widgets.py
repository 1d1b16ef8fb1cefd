"""Menus of rows that are found by typing a part of their name."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple
from django.core.exceptions import ValidationError
from django.db.models import Model


def could_name(model: type[Model], text: Any) -> bool:
    """Whether a row of the table can have this primary key, in its one spelling: `+12` and `012` name no row.

    What else was sent is looked for in no table."""
    try:
        return str(model._meta.pk.clean(text, None)) == str(text)
    except ValidationError:
        return False


def is_number_spelled_otherwise(text: str) -> bool:
    """Whether Django would read a number here that is not written as we write it: `+12`, ` 12`, `012`, `1_2`."""
    try:
        return str(int(text)) != text
    except ValueError:
        return False


class _Found:
    """Draws the rows that are chosen. The library's own looks for whatever was sent, and fails where no row can be meant."""

    choices: Any

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        could = [each for each in value if could_name(self.choices.queryset.model, each)]
        return super().optgroups(name, could, attr)  # type: ignore[misc]


class FoundRow(_Found, AutocompleteSelect):
    """A row that is found by typing a part of its name."""


class FoundRows(_Found, AutocompleteSelectMultiple):
    """Any number of them."""
