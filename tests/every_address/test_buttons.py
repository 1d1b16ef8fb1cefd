"""A button that does something for good says what it does: a page may be read in a hurry, the button is read last."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from tests.every_address.addresses import every_address
from tests.every_address.conftest import Look
from tests.kit.world import World
from workspaces.console.kit.pages import FormPage, names_an_act

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
DANGER = re.compile(r"\bbutton--danger\b|\bbg-red-\d+\b")
AN_ELEMENT = re.compile(r"<(button|a)\b([^>]*button--danger[^>]*)>(.*?)</\1>", re.DOTALL)


class Buttons(HTMLParser):
    """The labels of a page's buttons: of those that do something for good, and of all in the console's own forms."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.dangerous: list[str] = []
        self.of_forms: list[str] = []
        self._open: dict[str, str | None] | None = None
        self._text = ""
        self._depth = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "div":
            self._depth = self._depth + 1 if self._depth or "console-form" in (found.get("class") or "") else 0
        if tag == "button":
            self._open, self._text = found, ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self._depth:
            self._depth -= 1
        if tag != "button" or self._open is None:
            return
        label = self._open.get("aria-label") or " ".join(self._text.split())
        if DANGER.search(self._open.get("class") or ""):
            self.dangerous.append(label)
        if self._depth and self._open.get("type") == "submit":
            self.of_forms.append(label)
        self._open = None


@pytest.mark.parametrize("label", ["Save", "Submit", "Confirm", "Yes", "OK", "Yes, confirm", "Delete", ""])
def test_a_page_of_the_console_whose_button_says_nothing_cannot_be_made(label: str) -> None:
    with pytest.raises(ValueError, match="does not name what it does"):
        FormPage(label, lambda _: None, "/", submit=label)  # type: ignore[arg-type, return-value]


def test_no_button_of_any_page_that_ends_something_says_only_save_or_yes(
    world: World, owner: Client, operator: Client, look: Look
) -> None:
    dangerous, of_forms = set(), set()
    for path in every_address(world):
        if "logout" not in path:
            answer = look(operator if path.startswith("/admin/") else owner, path)
            if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
                found = Buttons(answer.content.decode())
                dangerous |= {(path, label) for label in found.dangerous}
                of_forms |= {(path, label) for label in found.of_forms}
    assert [each for each in dangerous | of_forms if not names_an_act(each[1])] == []
    labels = {label for _, label in dangerous}
    assert {"Revoke the key", "Revoke the gateway", "Switch off the account", "Remove member", "Revoke key"} <= labels
    assert len(of_forms) > 20


def test_deleting_says_what_is_deleted(world: World, operator: Client) -> None:
    """Where Django asks, instead of "Yes, I'm sure"."""
    task = PeriodicTask.objects.filter(enabled=True).exclude(task__startswith="celery.").order_by("pk")[0]
    page = operator.get(reverse("admin:django_celery_beat_periodictask_delete", args=[task.pk])).content.decode()
    assert "Yes, I" not in page
    assert [each for each in Buttons(page).dangerous if not names_an_act(each)] == []


def test_no_template_has_a_dangerous_button_that_says_nothing() -> None:
    """Those too that no page of the walk shows."""
    found = 0
    for path in TEMPLATES.rglob("*.html"):
        for _, attributes, text in AN_ELEMENT.findall(path.read_text()):
            label = re.search(r'aria-label="([^"]+)"', attributes)
            words = label[1] if label else re.sub(r"<[^>]*>|{%[^%]*%}", "", text)
            assert names_an_act(re.sub(r"{{[^}]*}}", "it", words)), f"{path.name}: {words}"
            found += 1
    assert found >= 9
