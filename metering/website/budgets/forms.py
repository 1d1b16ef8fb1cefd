"""The form of a budget. It checks what was typed; whether it is allowed is decided where it is done."""

import re
from typing import Any

from django import forms

from metering.limits.budgets.change import USUAL_THRESHOLDS
from metering.limits.models import EACH, Budget
from metering.website.budgets.rows import MODES
from metering.website.forms import RefusableForm
from workspaces.models import Workspace

WINDOWS = {
    Budget.Window.HOUR: "An hour",
    Budget.Window.DAY: "A day",
    Budget.Window.WEEK: "A week",
    Budget.Window.MONTH: "A month",
    Budget.Window.TOTAL: "All time",
}
NAMED = {"model": "One model, named below", "user": "One end user, named below"}
SEPARATORS = re.compile(r"[\s,;%]+")


class BudgetForm(RefusableForm):
    """What may change of a budget; NewBudgetForm also says what it is for."""

    limit = forms.DecimalField(max_digits=25, decimal_places=12, min_value=0, label="Limit in USD")
    window = forms.ChoiceField(choices=list(WINDOWS.items()), initial="month", label="Within")
    time_zone = forms.CharField(
        max_length=64,
        initial="UTC",
        label="Time zone",
        help_text="Of its days, weeks and months, such as Europe/Berlin.",
    )
    mode = forms.ChoiceField(choices=list(MODES.items()), label="When it is used up")
    thresholds = forms.CharField(
        required=False, label="Alerts at percent of the limit", help_text="Each once in a window, such as 50, 80, 100."
    )

    def clean_thresholds(self) -> list[int]:
        words = [word for word in SEPARATORS.split(self.cleaned_data["thresholds"]) if word]
        if any(not re.fullmatch(r"[0-9]{1,4}", word) for word in words):
            raise forms.ValidationError("Write whole percentages with commas between them, such as 50, 80, 100.")
        return [int(word) for word in words]

    @staticmethod
    def initial_of(budget: Budget) -> dict[str, Any]:
        names = ("limit", "window", "time_zone", "mode")
        limit = format(budget.limit.normalize(), "f")
        return {name: getattr(budget, name) for name in names} | {"limit": limit, "thresholds": _listed(budget.thresholds)}


class NewBudgetForm(BudgetForm):
    """A scope is chosen with what it names where that is known: a key, or each model; others are typed in `scope_id`."""

    field_order = ("scope", "scope_id")
    scope = forms.ChoiceField(label="For")
    scope_id = forms.CharField(
        max_length=512,
        required=False,
        strip=False,
        label="Name of the model or end user",
        help_text="The model as clients ask for it; the end user as requests name them.",
    )

    def __init__(self, sent: Any, workspace: Workspace, initial: dict[str, Any]) -> None:
        super().__init__(sent, initial={"thresholds": _listed(USUAL_THRESHOLDS)} | initial)
        keys = workspace.api_keys.unrevoked().for_calls()
        each = {f"model:{EACH}": "Each model for itself", f"user:{EACH}": "Each end user for themselves"}
        choices: list[Any] = [("workspace", "Whole workspace")]
        if found := [(f"key:{key.public_id}", key.name) for key in keys]:
            choices.append(("Keys", found))
        choices += [("Models", _only("model", NAMED | each)), ("End users", _only("user", NAMED | each))]
        scope = self.fields["scope"]
        assert isinstance(scope, forms.ChoiceField)  # noqa: S101 - declared above
        scope.choices = choices

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        scope, name = said.get("scope"), said.get("scope_id")
        if scope in NAMED and not name:
            self.add_error("scope_id", f"Name the {'model' if scope == 'model' else 'end user'}, or choose each of them above.")
        if scope and scope not in NAMED and name:
            self.add_error("scope_id", "Leave it empty: what is chosen above needs no name.")
        return said

    @property
    def names(self) -> tuple[str, str | None]:
        """Scope and scope id, as `set_budget` takes them."""
        scope, _, name = self.cleaned_data["scope"].partition(":")
        return scope, name or self.cleaned_data["scope_id"] or None


def _only(scope: str, choices: dict[str, str]) -> list[tuple[str, str]]:
    return [(value, label) for value, label in choices.items() if value.startswith(scope)]


def _listed(thresholds: Any) -> str:
    return ", ".join(str(each) for each in thresholds)
