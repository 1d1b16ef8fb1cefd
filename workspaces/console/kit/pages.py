"""The console's own pages: a form that does one thing, and the page that shows a secret once."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core import signing
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from unfold.admin import ModelAdmin

from omixa_billing.api.errors import Refusal
from workspaces.console.kit import sent_forms

SALT = "a form of the console"
# What a button says that does not say what it does.
SAYS_NOTHING = {"save", "submit", "confirm", "yes", "ok", "continue", "apply", "send"}
CHANGE = "change"  # the button that leads from a preview back to its form
SENT_BEFORE = "This form was already sent. Check whether it took effect before you open it again."
HASHED = "Copy the secret now: only its SHA-256 is kept, so it cannot be shown again."
OUT_OF_DATE = "This form is out of date, and nothing was done. Send it again."


class NoFields(forms.Form):
    """For an act that only wants to be confirmed."""


@dataclass(frozen=True)
class Preview:
    """What an act would do, before it does it: facts as (name, value), and the button that names it with its amount."""

    facts: list[tuple[str, str]]
    submit: str


@dataclass(frozen=True)
class FormPage:
    """A page that asks, and on submission acts once.

    `act` takes the form's cleaned data and returns the answer; a Refusal it raises is shown on the form. `back` is where
    "Cancel" leads. A form sent twice, by a reload or a double click, acts the first time only: also when the second comes
    while the first is at work, in another process.

    With `preview` the form is shown back with what it would do, and acts only once that very preview is confirmed: by a
    button that says it. What came to something else meanwhile is shown again.

    Without `once` it may be sent as often as people like: the page of a download stays open, and changes nothing.
    """

    title: str
    act: Callable[[dict[str, Any]], HttpResponse]
    back: str
    form_class: type[forms.Form] = NoFields
    intro: str = ""
    submit: str = ""
    danger: bool = False
    initial: dict[str, Any] = field(default_factory=dict)
    template: str = "console/kit/form.html"
    preview: Callable[[dict[str, Any]], Preview] | None = None
    once: bool = True

    def __post_init__(self) -> None:
        if not names_an_act(self.button):
            raise ValueError(f"The button {self.button!r} does not name what it does, such as “Revoke the key”.")

    @property
    def button(self) -> str:
        """What the button says: by default what the page is called, which is the act."""
        return self.submit or self.title

    def respond(self, request: HttpRequest, admin: ModelAdmin, row: Model | None = None) -> HttpResponse:
        """Answers GET with the form, POST by acting."""
        sent = request.method == "POST"
        form = self.form_class(request.POST if sent else None, request.FILES if sent else None, initial=self.initial)
        preview = None
        if request.method == "POST" and form.is_valid() and CHANGE not in request.POST:
            try:
                preview = self.preview(form.cleaned_data) if self.preview else None
                if preview is None or request.POST.get("confirmed") == preview.submit:
                    if not (refused := _spend_token(request) if self.once else ""):
                        return self.act(form.cleaned_data)
                    form.add_error(None, refused)
                    preview = None
            except Refusal as refusal:
                named = refusal.param if refusal.param in form.fields else None
                form.add_error(named, message_with_label(refusal.message, form, named))
                preview = None
        return self._render(request, admin, row, form, preview)

    def _render(
        self, request: HttpRequest, admin: ModelAdmin, row: Model | None, form: forms.Form, preview: Preview | None
    ) -> HttpResponse:
        context = {
            **admin.admin_site.each_context(request),
            "title": self.title,
            "model_admin": admin,
            "object": row,
            "page": self,
            "form": form,
            "preview": preview,
            "form_token": _issue_token(request),
            "media": admin.media + form.media,
        }
        return TemplateResponse(request, "console/kit/preview.html" if preview else self.template, context)


def names_an_act(label: str) -> bool:
    """Whether a button says what it does, and to what: two words or more, and more than that a person agrees."""
    words = [word for word in label.lower().split() if word.strip("…!,.") not in SAYS_NOTHING]
    return len(label.split()) > 1 and bool(words)


def message_with_label(message: str, form: forms.Form, field: str | None) -> str:
    """A message that begins with a field's name begins with its label instead."""
    if field and message.startswith(f"{field} "):
        return f"{form[field].label}{message.removeprefix(field)}"
    return message


def secret_page(
    request: HttpRequest, admin: ModelAdmin, row: Model, title: str, secret: str, back: str, note: str = HASHED
) -> HttpResponse:
    """Shows a secret once: this answer is the only place it will ever be seen. `note` says how it is kept."""
    context = {
        **admin.admin_site.each_context(request),
        "title": title,
        "model_admin": admin,
        "object": row,
        "secret": secret,
        "note": note,
        "back": back,
    }
    response = TemplateResponse(request, "console/kit/secret.html", context)
    add_never_cache_headers(response)
    return response


def _issue_token(request: HttpRequest) -> str:
    """Signed, for this person: nothing about an open form is kept, so that no other page's answer can lose it."""
    return signing.dumps([str(request.user.pk), secrets.token_urlsafe(12)], salt=SALT)


def _spend_token(request: HttpRequest) -> str:
    """Nothing the first time the form's token comes back, and otherwise why it will not do."""
    try:
        person, token = signing.loads(request.POST.get("form_token", ""), salt=SALT, max_age=sent_forms.LIVES)
    except signing.BadSignature:
        return OUT_OF_DATE
    if person != str(request.user.pk):
        return OUT_OF_DATE
    return "" if sent_forms.accept_once(token, timezone.now()) else SENT_BEFORE
