"""Form fields of the console's own pages, dressed as the rest of it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.utils.text import capfirst
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from omixa_billing.instants import FIRST_INSTANT, LAST_INSTANT
from workspaces.console.kit.widgets import FoundRow, FoundRows
from workspaces.keys.allowed_models import lines_of_models, models_of_lines
from workspaces.keys.credentials import GRACES
from workspaces.models import APIKey, Gateway, Workspace


def text(label: str, help_text: str = "", required: bool = True, **extra: Any) -> forms.CharField:
    return forms.CharField(
        label=capfirst(label), help_text=help_text, required=required, widget=UnfoldAdminTextInputWidget(), **extra
    )


def email(label: str, help_text: str = "", required: bool = True) -> forms.EmailField:
    return forms.EmailField(label=capfirst(label), help_text=help_text, required=required, widget=UnfoldAdminEmailInputWidget())


def choice(label: str, choices: list[tuple[str, str]], help_text: str = "") -> forms.ChoiceField:
    return forms.ChoiceField(
        label=capfirst(label), choices=choices, help_text=help_text, widget=UnfoldAdminSelectWidget(choices=choices)
    )


def choices_of(label: str, rows: QuerySet[Any], help_text: str = "") -> forms.ModelMultipleChoiceField:
    """Any number of these rows, each with a box to tick."""
    widget = UnfoldAdminCheckboxSelectMultipleWidget()
    return forms.ModelMultipleChoiceField(rows, required=False, label=capfirst(label), help_text=help_text, widget=widget)


def choices_field(label: str, choices: list[tuple[str, str]], help_text: str = "") -> forms.MultipleChoiceField:
    """Any number of these, each with a box to tick."""
    widget = UnfoldAdminCheckboxSelectMultipleWidget(choices=choices)
    return forms.MultipleChoiceField(choices=choices, required=False, label=capfirst(label), help_text=help_text, widget=widget)


def switch_field(label: str, help_text: str = "") -> forms.BooleanField:
    return forms.BooleanField(label=capfirst(label), help_text=help_text, required=False, widget=UnfoldBooleanSwitchWidget())


def number_field(label: str, help_text: str = "", required: bool = True, **extra: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=capfirst(label), help_text=help_text, required=required, widget=UnfoldAdminIntegerFieldWidget(), **extra
    )


def amount(label: str, help_text: str = "", required: bool = True, **extra: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=capfirst(label), help_text=help_text, required=required, widget=UnfoldAdminDecimalFieldWidget(), **extra
    )


def long_text(label: str, help_text: str = "", required: bool = True, **extra: Any) -> forms.CharField:
    return forms.CharField(
        label=capfirst(label),
        help_text=help_text,
        required=required,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        **extra,
    )


def file_field(label: str, help_text: str = "") -> forms.FileField:
    """An upload. The page's form is sent in parts because of it."""
    return forms.FileField(label=capfirst(label), help_text=help_text, required=False, widget=UnfoldAdminFileFieldWidget())


class ModelNamesField(forms.CharField):
    """Names of models, one a line; its value is their list, or None for all."""

    def prepare_value(self, value: Any) -> str:
        return value if isinstance(value, str) else lines_of_models(value)

    def clean(self, value: Any) -> Any:
        return models_of_lines(super().clean(value))


def model_names(label: str, help_text: str = "") -> forms.CharField:
    return ModelNamesField(
        label=capfirst(label), help_text=help_text, required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4})
    )


def instant_field(label: str, help_text: str = "", required: bool = True) -> forms.SplitDateTimeField:
    return forms.SplitDateTimeField(
        label=capfirst(label), help_text=help_text, required=required, widget=UnfoldAdminSplitDateTimeWidget()
    )


def day_field(label: str, help_text: str = "", required: bool = True) -> forms.DateField:
    """Between the years that usage is accepted from."""
    return forms.DateField(
        label=capfirst(label),
        help_text=help_text,
        required=required,
        widget=UnfoldAdminSingleDateWidget(),
        validators=[_check_day],
    )


def _check_day(day: date) -> None:
    if not FIRST_INSTANT.year <= day.year < LAST_INSTANT.year:
        raise forms.ValidationError("Choose a day between the years 1970 and 2199.")


def workspace(required: bool = True, help_text: str = "") -> forms.ModelChoiceField:
    """A workspace, found by typing a part of its name."""
    widget = FoundRow(APIKey._meta.get_field("workspace"), admin.site, attrs={"data-theme": "admin-autocomplete"})
    return forms.ModelChoiceField(Workspace.objects.all(), required=required, help_text=help_text, widget=widget)


def workspaces(label: str, help_text: str = "") -> forms.ModelMultipleChoiceField:
    """Any number of workspaces, each found by typing a part of its name."""
    source, attributes = Gateway._meta.get_field("workspaces"), {"data-theme": "admin-autocomplete"}
    widget = FoundRows(source, admin.site, attrs=attributes)
    rows = Workspace.objects.all()
    return forms.ModelMultipleChoiceField(rows, required=False, label=capfirst(label), help_text=help_text, widget=widget)


class GraceForm(forms.Form):
    """How long the old secret of a rotated key or gateway still works."""

    grace = choice("the old secret keeps working", GRACES)

    def clean_grace(self) -> timedelta:
        return timedelta(seconds=int(self.cleaned_data["grace"]))
