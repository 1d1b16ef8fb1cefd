"""Whatever a person or a program does by a request leaves an entry in the audit trail, on every page and at every address.

The walk knows no page by itself: it sends each form that it finds, chooses each action of each list, and calls each method
of the API. `-s` prints what it did.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from allauth.mfa import signals
from allauth.mfa.models import Authenticator
from django.test import Client, RequestFactory
from django.urls import get_resolver, reverse
from django.utils import timezone

from omixa_billing.http.addresses import API
from tests.every_address.acts import Act, acts_of_forms, done, methods_of, outcome, sender
from tests.every_address.addresses import every_address, every_row, path_of, routes_and_views
from tests.every_address.conftest import BODIES, given
from tests.every_address.forms import Form
from tests.kit.depth import some
from tests.kit.world import World, browser_of
from workspaces.audit.middleware import LEAVES_NONE
from workspaces.models import AuditEntry, User
from workspaces.operators.keys import create_operator_key

ROWS = 5
ERROR = re.compile(r"(?:errorlist|error|text-red)[^>]*>(?:<li>)?([^<]*\w[^<]{8,})<")
# What leaves no entry, or is not possible in the world of this walk and has one in the test named.
NONE = {
    **LEAVES_NONE,
    "mfa_activate_totp": "needs an authenticator: test_a_changed_factor_is_an_entry",
    "mfa_add_webauthn": "needs an authenticator: test_a_changed_factor_is_an_entry",
    "mfa_generate_recovery_codes": "needs an authenticator: test_a_changed_factor_is_an_entry",
    "admin:metering_creditnote_retry_refund_of_note": "needs a refund that failed, and begins another: payment.refund",
    "admin:metering_invoice_credit": "the world's own credit note has the next number: console/money/test_credit_notes.py",
    "admin:metering_quarantinedevent_edit_and_replay": "needs a corrected event: console/quarantine/test_quarantine.py",
    "admin:metering_invoice_accept": "needs a draft that takes back what nothing explains: invoicing/lifecycle/test_waiting.py",
}


def every_act(world: World) -> Iterator[Act]:
    pages = [path for path in every_address(world) if "logout" not in path and "/history/" not in path]
    console = {*(path for path in pages if path.startswith("/admin/")), *every_row(ROWS)}
    others = [path for path in pages if not path.startswith(("/admin/", *API, "/gateway/"))]
    yield from acts_of_forms(browser_of("operator@omixa.example"), sorted(console), given())
    yield from acts_of_forms(browser_of("owner@acme.example"), others, given())
    yield from acts_of_forms(browser_of(None), [path for path in others if path.startswith("/accounts/")], given())


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


KEPT_OTHERWISE = {
    "post /gateway/v1/events": "usage: each event names its gateway and its batch for ever",
    "post /gateway/v1/events/litellm": "usage, as above",
    "post /gateway/v1/corrections": "corrections are append-only, and name their gateway and their reason",
    "post /gateway/v1/authorize": "a decision: a hold, which names its gateway; refusals are counted by hour",
    "post /gateway/v1/authorize/<hold_id>/extend": "of a hold, as above",
    "post /gateway/v1/authorize/<hold_id>/release": "of a hold, as above",
    "post /gateway/v1/keys/check": "changes nothing",
    "post /api/v1/operator/workspaces/<workspace_id>/close/preview": "changes nothing: it is rolled back",
    **dict.fromkeys(
        (
            "post /api/v1/operator/chargebacks",
            "post /api/v1/operator/chargebacks/<chargeback_id>/reversal",
            "post /api/v1/operator/invoices/<invoice_id>/credit-notes",
            "post /api/v1/operator/invoices/<invoice_id>/void",
            "post /api/v1/operator/invoices/<invoice_id>/write-off-reversal",
            "post /api/v1/operator/workspaces/<workspace_id>/payouts",
            "post /api/v1/operator/workspaces/<workspace_id>/reissue",
        ),
        "not possible in this world: operator_api/test_operator_api.py::test_every_verb_leaves_an_entry",
    ),
    "post /webhooks/stripe": "stored as it came; what is done about it is recorded as the provider's",
}


def test_every_method_of_the_api_leaves_an_entry(everything: World) -> None:
    once = {"Idempotency-Key": "walk"}
    program = Client(headers={**everything.callers["admin key"], **once}, raise_request_exception=False)
    gateway = Client(headers=everything.callers["gateway"], raise_request_exception=False)
    _, secret = create_operator_key("Books", ["read", "money"], None, "the tests", timezone.now())
    books = Client(headers={"Authorization": f"Bearer {secret}", **once}, raise_request_exception=False)
    named: dict[str, list[Act]] = {}
    for route, view in routes_and_views(get_resolver().url_patterns):
        if f"/{route}".startswith((*API, "/gateway/", "/webhooks/")):
            path = path_of(route, everything)
            client = gateway if route.startswith("gateway/") else books if "/operator/" in route else program
            for method in methods_of(view):
                name = f"{method} /{route}"
                call = partial(
                    getattr(client, method), path, json.dumps(everything.known(BODIES.get(name, {}))), "application/json"
                )
                named[name] = [Act(name, call)]
    assert {"post /api/v1/keys", "post /webhooks/stripe", "post /api/v1/keys/<key_id>/revoke"} <= set(named)
    assert silent(named) == set(KEPT_OTHERWISE)


def test_a_page_that_has_no_form_changes_nothing_when_it_is_sent_one(everything: World) -> None:
    pages = [path for path in every_address(everything) if not path.startswith((*API, "/gateway/", "/webhooks/", "/accounts/"))]
    clients = [browser_of(address) for address in ("operator@omixa.example", "owner@acme.example")]
    for at, path in enumerate(path for path in pages if "logout" not in path):
        for client in some(clients, at):
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
