"""Forms as a browser sends them: filled with what the page shows, and with something fit where more is required."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

# By the field's name; what is missing is filled by its type.
FIT = {
    "email": "new@acme.example",
    "amount": "1.00",
    "month": "2026-09",
    "password1": "quite another long password",
    "password2": "quite another long password",
    "new_password1": "quite another long password",
    "new_password2": "quite another long password",
    "oldpassword": "a long enough password",
    "password": "a long enough password",
    "slug": "another-model",
    "percent": "19",
}
BY_TYPE = {
    "number": "1",
    "email": "new@acme.example",
    "date": "2026-12-01",
    "time": "00:00",
    "month": "2026-12",
    "url": "https://acme.example/",
}
WORDS = "some words"


@dataclass
class Form:
    """`fields` are sent as they are, with one of `buttons` (name, value) if it has any with a name."""

    action: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    ids: tuple[str, ...] = ()
    # The values of each list that is open to choose from.
    choices: dict[str, list[str]] = field(default_factory=dict)

    def filled(self, **given: str) -> dict[str, str | list[str]]:
        return {**self.fields, **given}


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._page = page
        self._form: Form | None = None
        self._by_id: dict[str, Form] = {}
        # The list or the text whose parts are being read; whether the list asks for a choice, and has one.
        self._list, self._text, self._asks, self._chosen, self._fresh = "", "", False, False, True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form" and said.get("method", "").lower() == "post":
            self._form = Form(said.get("action") or self._page, ids=(said.get("id", ""),))
            self._by_id[said.get("id", "")] = self._form
            self.forms.append(self._form)
        form = self._by_id.get(said["form"]) if said.get("form") else self._form
        if form is not None and "disabled" not in said:
            self._field(form, tag, said)

    def _field(self, form: Form, tag: str, said: dict[str, str]) -> None:
        name, kind, value = said.get("name", ""), said.get("type", "text"), said.get("value", "")
        if tag == "option" and self._list:
            self._option(form, said, value)
        elif tag == "select":
            self._list, self._asks, self._chosen = name, "required" in said, False
            form.choices[name] = []
        elif tag == "textarea":
            self._text, self._fresh = name, True
            form.fields[name] = [FIT.get(name, WORDS) if "required" in said else ""]
        elif (tag == "button" and kind != "button" and name) or (tag == "input" and kind == "submit" and name):
            form.buttons.append((name, value))
        elif tag == "input" and name and kind in ("checkbox", "radio"):
            if "checked" in said or (kind == "radio" and name not in form.fields):
                form.fields[name] = [value or "on"]
            form.choices.setdefault(name, []).append(value or "on")
        elif tag == "input" and name and kind not in ("button", "image", "reset", "file", "submit"):
            fit = FIT.get(name, BY_TYPE.get(kind, WORDS)) if "required" in said or name in FIT else ""
            form.fields[name] = [value or ("" if kind == "hidden" else fit)]

    def _option(self, form: Form, said: dict[str, str], value: str) -> None:
        form.choices[self._list].append(value)
        first = self._list not in form.fields or (self._asks and form.fields[self._list] == [""])
        if "selected" in said or (first and not self._chosen):
            form.fields[self._list], self._chosen = [value], "selected" in said

    def handle_data(self, data: str) -> None:
        if self._text and self._form is not None and data.strip():
            before = "" if self._fresh else self._form.fields[self._text][0]
            self._form.fields[self._text], self._fresh = [f"{before}{data}".lstrip("\n")], False

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._list = ""
        elif tag == "textarea":
            self._text = ""


def forms_of(page: str, content: str) -> Iterator[Form]:
    """Those that act: sent by POST. `page` is where the content was found."""
    reader = _Reader(page)
    reader.feed(content)
    yield from reader.forms
