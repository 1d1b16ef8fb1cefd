"""The forms of the pages about webhooks. They check what was typed; whether it is allowed is decided where it is done."""

from typing import Any

from django import forms
from django.utils.html import format_html

from metering.notifications.endpoints.targets import LONGEST_URL
from metering.notifications.models import WebhookEndpoint
from metering.notifications.types import CHOICES_OF_TYPES, NOTIFICATION_TYPES
from metering.website.forms import RefusableForm
from workspaces.keys.credentials import GRACES, USUAL_GRACE
from workspaces.names import MAX_NAME

ALL, CHOSEN = "all", "chosen"
WHICH = {ALL: "Everything, now and later", CHOSEN: "What is ticked below"}


class WebhookForm(RefusableForm):
    url = forms.CharField(
        max_length=LONGEST_URL,
        label="URL",
        widget=forms.URLInput(attrs={"placeholder": "https://example.com/webhooks", "autocomplete": "off"}),
        help_text="An https address on the internet that answers within 15 seconds.",
    )
    description = forms.CharField(max_length=MAX_NAME, required=False, help_text="What it is for, such as “CRM”.")
    which = forms.ChoiceField(
        choices=list(WHICH.items()),
        label="Notify of",
        initial=ALL,
    )
    types = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple, label="Notifications")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        label = '<code class="inline-code">{}</code> <span class="muted">{}</span>'
        choices = [(name, format_html(label, name, NOTIFICATION_TYPES[name])) for name in CHOICES_OF_TYPES]
        field = forms.MultipleChoiceField(choices=choices, required=False, widget=forms.CheckboxSelectMultiple)
        field.label, field.help_text = "Notifications", f"They apply with “{WHICH[CHOSEN]}”."
        self.fields["types"] = field

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or {}
        if asked.get("which") == CHOSEN and "types" in asked and not asked["types"]:
            self.add_error("types", "Tick at least one, or choose everything.")
        return asked

    @property
    def values(self) -> dict[str, Any]:
        """As `create_webhook` and `change_webhook` have them."""
        asked = self.cleaned_data
        types = asked["types"] if asked["which"] == CHOSEN else None
        return {"url": asked["url"], "description": asked["description"], "types": types}

    @staticmethod
    def initial_of(endpoint: WebhookEndpoint) -> dict[str, Any]:
        which = ALL if endpoint.types is None else CHOSEN
        return {"url": endpoint.url, "description": endpoint.description, "which": which, "types": endpoint.types or []}


class WebhookRotateForm(forms.Form):
    grace = forms.ChoiceField(choices=GRACES, initial=USUAL_GRACE, label="Sign with the old secret as well")
