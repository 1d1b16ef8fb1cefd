"""The forms of a page as a browser would send them: where to, and what stands in each field."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

EXAMPLES = {
    "email": "new@acme.example",
    "number": "1",
    "date": "2026-10-01",
    "time": "00:00:00",
    "url": "https://acme.example",
    "tel": "1",
}
BY_NAME = {"percent": "19", "amount": "1.00", "month": "2026-09", "password": "a very long password"}
TEXT = "words"


@dataclass
class Form:
    """`buttons` are the named ones, of which a browser sends the one that is pressed."""

    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path, self.forms = path, list[Form]()
        self.form: Form | None = None
        self.select: tuple[str, list[str], list[str]] | None = None
        self.area: str | None = None
        self.area_text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.form = Form(has.get("action") or self.path, has.get("method", "get").lower())
            self.forms.append(self.form)
        if self.form is None:
            return
        name = has.get("name", "")
        if tag == "input" and name:
            self._input(name, has)
        elif tag == "button" and name:
            self.form.buttons.append((name, has.get("value", "")))
        elif tag == "select" and name:
            self.select = (name, [], [])
        elif tag == "option" and self.select:
            value = has.get("value", "")
            self.select[1].append(value)
            if "selected" in has:
                self.select[2].append(value)
        elif tag == "textarea" and name:
            self.area, self.area_text = name, ""

    def _input(self, name: str, has: dict[str, str]) -> None:
        assert self.form is not None
        kind, value = has.get("type", "text"), has.get("value", "")
        if kind in ("submit", "image"):
            self.form.buttons.append((name, value))
        elif kind in ("checkbox", "radio"):
            if "checked" in has or name == "_selected_action":
                self.form.fields.setdefault(name, []).append(value or "on")
            else:
                self.form.fields.setdefault(name, [])
        elif kind == "hidden" or value:
            self.form.fields.setdefault(name, []).append(value)
        else:
            self.form.fields.setdefault(name, []).append(example(name, kind))

    def handle_data(self, data: str) -> None:
        if self.area:
            self.area_text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = None
        if self.form is None:
            return
        if tag == "select" and self.select:
            name, options, selected = self.select
            chosen = selected if any(selected) else [value for value in options if value][:1]
            self.form.fields[name] = chosen or [""]
            self.select = None
        elif tag == "textarea" and self.area:
            self.form.fields[self.area] = [self.area_text.strip("\n") or TEXT]
            self.area = None


def example(name: str, kind: str) -> str:
    for part, value in BY_NAME.items():
        if part in name:
            return value
    return EXAMPLES.get(kind, EXAMPLES["date"] if name.endswith("_0") else EXAMPLES["time"] if name.endswith("_1") else TEXT)


def forms_of(path: str, content: str) -> list[Form]:
    """In the order of the page, and those that lead elsewhere too."""
    reader = _Reader(path)
    reader.feed(content)
    return reader.forms
