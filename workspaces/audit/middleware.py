"""Around each request: where its acts come from, and that none of them stays unseen.

Two things are recorded here and not by the acts: that an operator looked at one customer's row, and, for a form of the
console or the website that changed something and recorded nothing itself, that it was sent. The second is a net under all
pages, also those that are added later.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from operator import attrgetter
from typing import Any

import structlog
from django.apps import apps
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from omixa_billing.http.addresses import SAFE
from omixa_billing.outage import STORAGE_ERRORS
from workspaces.audit.entries import record, record_once
from workspaces.audit.origin import RequestOrigin, coming_from, origin_of
from workspaces.members.current import membership_of
from workspaces.models import Workspace

LOOKS_ARE_ONE_WITHIN = timedelta(minutes=15)
# By the name of their URL, with the reason.
LEAVES_NONE = {
    "pages:switch": "chooses which of their own workspaces a person sees",
    "account_login": "recorded as a sign-in, or as a refused one",
    "account_reauthenticate": "the person shows again who they are, and nothing changes; a wrong password is recorded",
    "mfa_login_webauthn": "recorded as a sign-in, or as a refused one",
    "mfa_authenticate": "recorded as a sign-in, or as a refused one",
    "mfa_reauthenticate": "the person shows again who they are, and nothing changes; a wrong code is recorded",
    "mfa_reauthenticate_webauthn": "the person shows again who they are, and nothing changes; a wrong passkey is recorded",
    "account_reset_password": "asks for a mail, whether or not there is such an account",
}
# Rows of these tables are customers' events, documents and mails; beside each, the way to whose it is. A gateway's batch may
# hold events of several, and has none.
LOOKED_AT = {
    "batch": "",
    "usageevent": "workspace",
    "invoice": "workspace",
    "creditnote": "invoice.workspace",
    "quarantinedevent": "workspace",
    "payment": "workspace",
    "notice": "workspace",
}
# Parameters of a list that choose a page or an order, and no rows.
ONLY_ARRANGES = {PAGE_VAR, ORDER_VAR, ALL_VAR, ERROR_FLAG}

log = structlog.get_logger(__name__)


def note_origin(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        origin = origin_of(request)
        with coming_from(origin):
            response = get_response(request)
            try:
                _note(request, response, origin)
            except STORAGE_ERRORS:
                log.exception("act_not_recorded", path=request.path_info)
            return response

    return middleware


def _note(request: HttpRequest, response: HttpResponse, origin: RequestOrigin) -> None:
    match, user = request.resolver_match, getattr(request, "user", None)
    if match is None or user is None or getattr(request, "auth", None) is not None:
        return
    looked = origin.console and response.status_code == 200
    sent = request.method not in SAFE and is_done(response) and match.view_name not in LEAVES_NONE
    if not (looked or sent) or not user.is_authenticated:  # last, for it asks the database
        return
    if user.get_username() in origin.actors:  # what the provider or the product recorded meanwhile does not say who asked
        return
    if looked:
        _note_look(match.url_name or "", match.kwargs, request, response, user.get_username())
    else:
        belongs = None if origin.console else membership_of(request)
        workspace = None if belongs is None else belongs.workspace
        record(user.get_username(), "form.sent", request.path_info[:300], workspace, now=timezone.now(), page=match.view_name)


def is_done(response: HttpResponse) -> bool:
    """A form that did something leads to another page; one that is shown again, or shows what it would do, did nothing."""
    return 300 <= response.status_code < 400


def _note_look(name: str, kwargs: dict[str, Any], request: HttpRequest, response: HttpResponse, actor: str) -> None:
    app, _, rest = name.partition("_")
    table, _, page = rest.partition("_")
    if table not in LOOKED_AT or app not in apps.app_configs:
        return
    pk = kwargs.get("object_id")
    found = _listed(table, request, response) if pk is None else _looked_at(app, table, str(pk))
    if found is not None:
        target, workspace = found
        once: dict[str, Any] = {"within": LOOKS_ARE_ONE_WITHIN, "page": page}
        record_once(actor, "record.viewed", f"{table} {target}"[:300], workspace, now=timezone.now(), **once)


def _listed(table: str, request: HttpRequest, response: HttpResponse) -> tuple[str, Workspace] | None:
    """A list, or an event by its address, counts when it was narrowed to one workspace: by name, or as its rows show."""
    way = LOOKED_AT[table].replace(".", LOOKUP_SEP)
    pk = _only_workspace_listed(table, request, response)
    if pk is None and way:
        chosen = request.GET.get(way) or request.GET.get(f"{way}__id__exact") or ""
        pk = int(chosen) if _is_number(chosen) else None
    workspace = None if pk is None else Workspace.objects.filter(pk=pk).first()
    number = request.GET.get("id", "")
    return None if workspace is None else (number if _is_number(number) else "list", workspace)


def _only_workspace_listed(table: str, request: HttpRequest, response: HttpResponse) -> int | None:
    """Whose all rows on the page of a list are that was searched or filtered, however it was."""
    changelist = (getattr(response, "context_data", None) or {}).get("cl")
    if changelist is None or not LOOKED_AT[table] or not set(request.GET) - ONLY_ARRANGES:
        return None
    owners = {attrgetter(f"{LOOKED_AT[table]}_id")(row) for row in changelist.result_list}
    return owners.pop() if len(owners) == 1 else None


def _looked_at(app: str, table: str, pk: str) -> tuple[str, Workspace | None] | None:
    """The row that the page shows, and whose it is."""
    rows = apps.get_model(app, table)._default_manager.filter(pk=pk) if _is_number(pk) else ()
    row: Any = next(iter(rows), None)
    if row is None:
        return None
    way = LOOKED_AT[table]
    return str(getattr(row, "public_id", row.pk)), attrgetter(way)(row) if way else None


def _is_number(text: str) -> bool:
    """As the console lets an address name a row (`workspaces.console.kit.base`), within what the database can hold."""
    return text.isascii() and text.isdecimal() and len(text) < 19
