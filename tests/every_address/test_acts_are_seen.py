"""Whatever a person or a program does by a request leaves an entry in the audit trail, on every page and at every address.

The walk knows no page by itself: it sends each form that it finds, chooses each action of each list, and calls each method
of the API. `-s` prints what it did.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from allauth.mfa import signals
from allauth.mfa.models import Authenticator
from django.test import Client, RequestFactory
from django.urls import get_resolver, reverse
from django_celery_beat.models import IntervalSchedule

from metering.invoicing.lifecycle.close import close_workspaces
from metering.payments.mails.outbox import add_notice
from metering.payments.refunds.reversals import void_invoice
from metering.payments.webhooks.models import WebhookEvent
from metering.periods import parse_month
from tests.every_address.acts import Act, Done, acts_of_forms, done, methods_of, sender
from tests.every_address.addresses import ROUTE_PART, every_address, every_row, known_names, routes_and_views
from tests.every_address.conftest import browser_of
from tests.every_address.forms import Form
from tests.kit.factories import NOW, an_event, make_price
from tests.openapi.world import World
from tests.payments.conftest import stripe, with_method
from tests.payments.stripe_server import StripeServer
from tests.usage.conftest import Sender, a_tenant, at
from workspaces.audit.middleware import LEAVES_NONE
from workspaces.members import members
from workspaces.members.invitations.invite import invite
from workspaces.models import AuditEntry, Gateway, User, Workspace

__all__ = ["stripe"]

ROWS = 4
ERROR = re.compile(r"(?:errorlist|error|text-red)[^>]*>(?:<li>)?([^<]*\w[^<]{8,})<")
# What leaves no entry, or is not possible in the world of this walk and has one in the test named.
NONE = {
    **LEAVES_NONE,
    "mfa_activate_totp": "needs an authenticator: test_a_changed_factor_is_an_entry",
    "mfa_add_webauthn": "needs an authenticator: test_a_changed_factor_is_an_entry",
    "mfa_generate_recovery_codes": "needs an authenticator: test_a_changed_factor_is_an_entry",
    "admin:metering_creditnote_retry_refund_of_note": "needs a refund that failed, and begins another: payment.refund",
    "admin:metering_invoice_credit": "the world's own credit note has the next number: tests/console/test_credit_notes.py",
    "admin:metering_quarantinedevent_edit_and_replay": "needs a corrected event: tests/console/test_quarantine.py",
    "admin:metering_invoice_accept": "needs a draft that takes back what nothing explains: tests/invoicing/test_waiting.py",
}


def given() -> dict[str, dict[str, str]]:
    """What is sent beside what a form shows, by the name of its page."""
    acme, interval = Workspace.objects.get(name="Acme"), IntervalSchedule.objects.values_list("pk", flat=True)[0]
    return {
        "admin:metering_invoice_export": {"first": "2026-09", "last": "2026-09"},
        "admin:metering_invoice_credit": {"what": "whole", "reason": "wrong"},
        "admin:metering_priceversion_add": {"model": "codex-mini", "input": "1", "output": "2", "service_tier": "flex"},
        "admin:metering_quarantinedevent_edit_and_replay": {"reason": "wrong"},
        "admin:workspaces_apikey_add": {"workspace": str(acme.pk), "name": "Another", "kind": "live"},
        "admin:django_celery_beat_periodictask_add": {"regtask": "metering.send_notices", "interval": str(interval)},
        "pages:billing_buy": {"amount": "5.00"},
        "pages:billing_preferences": {"amount": "5.00", "threshold": "1.00"},
    }


@pytest.fixture
def everything(world: World, stripe: StripeServer) -> World:
    acme = Workspace.objects.get(name="Acme")
    operator, owner = User.objects.get(email="operator@omixa.example"), User.objects.get(email="owner@acme.example")
    members.add_member(acme, "viewer@acme.example", "viewer", "the tests", NOW)
    third = a_tenant("Third")
    send = Sender(Gateway.objects.order_by("pk")[0])
    send(third.key, at("09-14T09:30"))
    close_workspaces(parse_month("2026-09"), NOW, workspace=third.workspace)  # a draft
    send.batch([an_event(third.key, usage={"prompt_tokens": -1})])
    invite(third.workspace, "new@third.example", "viewer", operator, operator.email, NOW, by_operator=True)
    invite(acme, "guest@acme.example", "viewer", owner, owner.email, NOW)
    make_price("unused", effective_from=NOW + timedelta(days=4_000))  # to come by the database's clock too
    void = a_tenant("Void")
    send(void.key, at("09-14T09:30"))
    (voided,) = close_workspaces(parse_month("2026-09"), NOW, workspace=void.workspace, finalize=True)
    void_invoice(voided.pk, "wrong", operator.email, NOW)
    add_notice(acme, "invoice_finalized", "a mail", {}, NOW)
    about: dict[str, Any] = {"type": "charge.refunded", "payload": {}, "created_at": NOW, "received_at": NOW}
    WebhookEvent.objects.create(event_id="evt_1", status="failed", **about)
    with_method(acme, stripe)
    return world


def every_act(world: World) -> Iterator[Act]:
    pages = [path for path in every_address(world) if "logout" not in path and "/history/" not in path]
    console = {*(path for path in pages if path.startswith("/admin/")), *every_row(ROWS)}
    others = [path for path in pages if not path.startswith(("/admin/", "/api/", "/gateway/"))]
    yield from acts_of_forms(browser_of("operator@omixa.example"), sorted(console), given())
    yield from acts_of_forms(browser_of("owner@acme.example"), others, given())
    yield from acts_of_forms(browser_of(None), [path for path in others if path.startswith("/accounts/")], given())


def outcome(acts: list[Act]) -> Done:
    """Of the first that leaves an entry, or of the last."""
    found = Done(0, set(), 0)
    for act in acts:
        found = done(act)
        if found.entries:
            break
    return found


def silent(named: dict[str, list[Act]]) -> set[str]:
    """Those that left no entry, and were not refused as nothing that this person may do."""
    none = set()
    for name, acts in sorted(named.items()):
        what = outcome(acts)
        said = [] if what.entries else [" ".join(each.split()) for each in ERROR.findall(what.said)[:5]]
        print(name, what.status, f"{what.entries} entries", *said)
        if not what.entries and (what.wrote or what.status not in (403, 405)):
            none.add(name)
    return none


def test_every_form_and_button_of_the_pages_leaves_an_entry(everything: World) -> None:
    named: dict[str, list[Act]] = defaultdict(list)
    for act in every_act(everything):
        named[act.name].append(act)
    assert len(named) > 90
    assert silent(named) - set(NONE) == set()


# The API of programs. What is missing here is called without a body, and found out.
BODIES: dict[str, dict[str, Any]] = {
    "post /api/v1/keys": {"name": "Another", "kind": "live"},
    "patch /api/v1/keys/<key_id>": {"name": "Renamed"},
    "post /api/v1/budgets": {"scope": "model", "scope_id": "*", "window": "day", "limit": "10.00"},
    "patch /api/v1/budgets/<budget_id>": {"limit": "50.00"},
    "post /api/v1/credits/top-ups": {"amount": "5.00", "method": "page"},
    "post /api/v1/invoices/<invoice_id>/pay": {"method": "page"},
}
KEPT_OTHERWISE = {
    "post /gateway/v1/events": "usage: each event names its gateway and its batch for ever",
    "post /gateway/v1/events/litellm": "usage, as above",
    "post /gateway/v1/corrections": "corrections are append-only, and name their gateway and their reason",
    "post /webhooks/stripe": "stored as it came; what is done about it is recorded as the provider's",
}


def test_every_method_of_the_api_leaves_an_entry(everything: World) -> None:
    known = known_names(everything)
    once = {"Idempotency-Key": "walk"}
    program = Client(headers={**everything.callers["admin key"], **once}, raise_request_exception=False)
    gateway = Client(headers=everything.callers["gateway"], raise_request_exception=False)
    named: dict[str, list[Act]] = {}
    for route, view in routes_and_views(get_resolver().url_patterns):
        if route.startswith(("api/", "gateway/", "webhooks/")):
            path = "/" + ROUTE_PART.sub(lambda part: known.get(part.group(1), "1"), route)
            client = gateway if route.startswith("gateway/") else program
            for method in methods_of(view):
                name = f"{method} /{route}"
                call = partial(getattr(client, method), path, json.dumps(BODIES.get(name, {})), "application/json")
                named[name] = [Act(name, call)]
    assert {"post /api/v1/keys", "post /webhooks/stripe", "post /api/v1/keys/<key_id>/revoke"} <= set(named)
    assert silent(named) == set(KEPT_OTHERWISE)


def test_a_page_that_has_no_form_changes_nothing_when_it_is_sent_one(everything: World) -> None:
    pages = [
        path for path in every_address(everything) if not path.startswith(("/api/", "/gateway/", "/webhooks/", "/accounts/"))
    ]
    for address in ("operator@omixa.example", "owner@acme.example"):
        client = browser_of(address)
        for path in pages:
            if "logout" not in path:
                found = done(Act(path, sender(client, Form(path), {})))
                assert found.entries or not found.wrote, (path, found.wrote)


def test_a_changed_factor_is_an_entry(everything: World) -> None:
    """What the library announces, whichever of its pages did it."""
    user = User.objects.get(email="owner@acme.example")
    factor = Authenticator(user=user, type="recovery_codes", data={})
    for signal, action in (
        (signals.authenticator_added, "factor.added"),
        (signals.authenticator_reset, "factor.reset"),
        (signals.authenticator_removed, "factor.removed"),
    ):
        signal.send(sender=Authenticator, request=RequestFactory().get("/"), user=user, authenticator=factor)
        entry, acme = AuditEntry.objects.get(action=action), user.memberships.get().workspace
        assert (entry.target, entry.workspace, entry.detail) == (user.email, acme, {"kind": "recovery_codes"})


def test_what_is_left_out_names_a_page() -> None:
    names = {name for name in NONE if not name.startswith("mfa_")}
    assert all(reverse(name, args=[1] if "admin:" in name else []) for name in names)
    assert all(NONE.values())
