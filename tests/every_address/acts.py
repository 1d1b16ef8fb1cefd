"""Everything that a person or a program can do by a request: each form and button of a page, and each method of the API."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from django.db import connection, transaction
from django.test import Client
from django.urls import resolve
from django.views.generic.edit import ProcessFormView

from tests.every_address.forms import Form, forms_of
from workspaces.models import AuditEntry

WRITES = ("INSERT", "UPDATE", "DELETE", "COPY", "TRUNCATE")
# Kept for the product itself: who is signed in where, what was sent already, how many tries there were, what was added up.
OWN_TABLES = (
    *("django_session", "usersessions_usersession", "workspaces_sentform", "workspaces_audit", "workspaces_shared"),
    "metering_settledusage",
)
LIST_FORM = "changelist-form"
LOGOUT, FIRST_PAGE = "logout/", "/admin/"
LIST_ACTION, ROW = "action", "_selected_action"
NO_ACTION = ("", "delete_selected")


@dataclass(frozen=True)
class Act:
    """Something to do. `name` is the page's in the URL configuration, and what of it is chosen where it offers more."""

    name: str
    perform: Callable[[], Any]


@dataclass
class Done:
    """What came of an act: how many entries it left and their actions, the tables that it wrote, and the answer's status."""

    entries: int
    wrote: set[str]
    status: int
    said: str = ""
    actions: frozenset[str] = frozenset()


def name_of(path: str) -> str:
    """`admin:workspaces_apikey_revoke`; for pages without a name, their route."""
    match = resolve(path)
    return match.view_name if match.url_name else match.route


def done(act: Act) -> Done:
    """Does it, sees what came of it, and takes it back."""
    wrote: set[str] = set()

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if str(sql).lstrip().upper().startswith(WRITES):
            wrote.add(table_of(str(sql)))
        return execute(sql, params, many, context)

    here = transaction.savepoint()  # no atomic block of its own: some acts begin one that must be the outermost
    before = AuditEntry.objects.count()
    with connection.execute_wrapper(watch):
        answer = act.perform()
    entries = AuditEntry.objects.count() - before
    actions = frozenset(AuditEntry.objects.order_by("-pk").values_list("action", flat=True)[:entries])
    wrote = {each for each in wrote if not each.startswith(OWN_TABLES)}
    said = "" if answer.streaming else answer.content.decode(errors="replace")
    transaction.savepoint_rollback(here)
    return Done(entries, wrote, answer.status_code, said, actions)


def table_of(sql: str) -> str:
    words = sql.replace('"', " ").replace("(", " ").split()
    return next(word for word in words[1:] if word.upper() not in ("INTO", "FROM", "ONLY"))


def acts_of_forms(client: Client, pages: list[str], given: dict[str, dict[str, str]]) -> Iterator[Act]:
    """Each form of the pages, named by where it leads and by what its buttons and list actions choose."""
    for page in pages:
        answer = client.get(page)
        if answer.status_code != 200 or not answer.headers.get("Content-Type", "").startswith("text/html"):
            continue
        for form in forms_of(page, answer.content.decode()):
            form.action = urljoin(page, form.action)
            if form.action.endswith(LOGOUT) and page != FIRST_PAGE:
                continue  # the same button on every page
            for chosen in ways_of(form):
                named = name_of(urlsplit(form.action).path)
                name = " ".join([named, *(value for part, value in chosen.items() if part != ROW)])
                yield Act(name, sender(client, form, {**given.get(named, {}), **given.get(name, {}), **chosen}))


def ways_of(form: Form) -> list[dict[str, str]]:
    """What may be chosen: an action of a list, or one of several buttons."""
    if ROW in form.choices:
        row, offered = form.choices[ROW][0], form.choices.get(LIST_ACTION, [])
        return [{ROW: row, LIST_ACTION: each} for each in offered if each not in NO_ACTION]
    if LIST_FORM in form.ids:
        return []  # a list without actions
    return [{name: value} for name, value in form.buttons if not name.startswith("_")] or [{}]


def sender(client: Client, form: Form, given: dict[str, str]) -> Callable[[], Any]:
    """Sends the form; a preview of what it would do is confirmed."""

    cookies = copy.deepcopy(client.cookies)

    def send() -> Any:
        client.cookies = copy.deepcopy(cookies)  # whatever an act before did to the session
        answer = client.post(form.action, form.filled(**given))
        for again in forms_of(form.action, "" if answer.streaming else answer.content.decode(errors="replace")):
            confirmed = [(name, value) for name, value in again.buttons if name in ("confirmed", "post")]
            if urljoin(form.action, again.action) == form.action and confirmed:
                return client.post(form.action, again.filled(**dict(confirmed[:1])))
        return answer

    return send


def methods_of(view: Any) -> list[str]:
    """Of a class: the methods that change something. A form view's PUT is its POST."""
    cls = getattr(view, "view_class", None) or getattr(view, "cls", None)
    if cls is None:
        return ["post"]
    own = [method for method in ("post", "put", "patch", "delete") if hasattr(cls, method)]
    return [method for method in own if not (method == "put" and issubclass(cls, ProcessFormView))]


def outcome(acts: list[Act]) -> Done:
    """Of the first that leaves an entry, or of the last."""
    found = Done(0, set(), 0)
    for act in acts:
        found = done(act)
        if found.entries:
            break
    return found
