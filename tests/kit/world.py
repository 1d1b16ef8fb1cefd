"""A small world with one of everything that the API can name, and the names under which a search asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from metering.credits import ledger
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.lifecycle.close import close_workspaces
from metering.limits.authorize import authorize
from metering.limits.budgets.change import set_budget
from metering.limits.gateway.requests import Authorize
from metering.notifications.endpoints.change import create_webhook, send_test
from metering.payments.models import TopUp
from metering.periods import parse_month
from tests.kit.billing import at
from tests.kit.factories import NOW, an_event, make_price
from tests.kit.lasting import lasting, making
from tests.kit.tenants import Sender, a_tenant
from workspaces.keys import freezing, issue
from workspaces.models import Membership, User, Workspace

# What each part of a path names, by the names of `World.ids`.
IN_PATH = {
    "batch_id": "<batch>",
    "budget_id": "<budget>",
    "credit_id": "<credit>",
    "credit_note_id": "<credit note>",
    "delivery_id": "<delivery>",
    "hold_id": "<hold>",
    "invoice_id": "<invoice>",
    "key_id": "<key>",
    "kind": "invoices",
    "line_id": "<line>",
    "model": "codex-mini",
    "request_id": "<request>",
    "top_up_id": "<top-up>",
    "webhook_id": "<webhook>",
    "workspace_id": "<workspace>",
}
# Where another one of its kind has to stand for the address to do anything.
IN_ROUTE = {"/unfreeze": {"key_id": "<frozen key>"}}


@dataclass(frozen=True)
class World:
    """`callers` are headers by who calls; `ids` are real ids by the names above."""

    callers: dict[str, dict[str, str]]
    ids: dict[str, str]

    def known(self, drawn: Any) -> Any:
        """What was drawn, with the names of things replaced by their ids, however deep they stand."""
        if isinstance(drawn, str):
            return self.ids.get(drawn, drawn)
        if isinstance(drawn, dict):
            return {name: self.known(value) for name, value in drawn.items()}
        return [self.known(value) for value in drawn] if isinstance(drawn, list) else drawn


def a_world() -> World:
    """Two workspaces with a closed and a running month, every kind of key, a batch with refused events."""
    gateway, token = issue.create_gateway("edge", "the tests", NOW)
    make_price()
    make_price(tier="priority", input="3", output="12", cached_input=None)
    acme, rival = a_tenant("Acme"), a_tenant("Rival")
    revoked, _ = issue.create_key(acme.workspace, "live", "Old", "the tests", NOW)
    send = Sender(gateway)
    send(rival.key, at("09-14T09:30"))
    [request, *_] = send(acme.key, at("09-14T09:30"), at("09-30T23:59"), metadata={"a": [1]}, user="u", stream=True)
    close_workspaces(parse_month("2026-09"), NOW, finalize=True)
    send(acme.key, at("09-15T09:30"), at("10-14T09:30"))  # one late: an adjustment on the next invoice
    send(acme.key, at("10-14T09:31"), request_id=request, attempt=1, model="unpriced")
    send(revoked, at("10-14T09:32"), status="failed", usage=None)
    issue.revoke_key(revoked, "the tests", NOW)
    frozen, _ = issue.create_key(acme.workspace, "live", "Frozen", "the tests", NOW)
    freezing.freeze_key(frozen, "the tests", NOW)
    batch = send.batch([an_event(acme.key), an_event(acme.key), an_event(acme.key, request_id=7), an_event(acme.key, model="")])
    credit = ledger.grant(acme.workspace, "goodwill", Decimal("5.00"), "the tests", NOW)
    top_up = TopUp.objects.create(workspace=acme.workspace, amount=Decimal("5.00"), created_at=NOW, created_by="the tests")
    ours, theirs = acme.workspace.invoices.get(), rival.workspace.invoices.get()
    about = {"reason": "wrong", "total": Decimal("1.00"), "issued_at": NOW, "issued_by": "the tests"}
    about |= {"seller": ours.seller, "buyer": ours.buyer}
    note = CreditNote.objects.create(invoice=ours, number="OMX-CN-2026-00001", **about)
    budget = set_budget(acme.workspace, "workspace", None, "month", Decimal("100"), actor="the tests", now=NOW)
    asked = Authorize(request_id="held", model="codex-mini", input_tokens=10, key_id=acme.key.public_id)
    hold = authorize(asked, gateway, NOW)
    webhook, _ = create_webhook(acme.workspace, "https://hooks.acme.example/", actor="the tests", now=NOW)
    delivery = send_test(webhook, actor="the tests", now=NOW)
    callers = {"admin key": acme.admin_secret, "live key": acme.secret, "gateway": token}
    return World(
        {"nobody": {}} | {name: {"Authorization": f"Bearer {secret}"} for name, secret in callers.items()},
        {
            "<workspace>": acme.workspace.public_id,
            "<workspace of another>": rival.workspace.public_id,
            "<key>": acme.key.public_id,
            "<revoked key>": revoked.public_id,
            "<frozen key>": frozen.public_id,
            "<key of another>": rival.key.public_id,
            "<request>": request,
            "<batch>": batch.public_id,
            "<budget>": budget.public_id,
            "<hold>": hold["hold_id"],
            "<invoice>": ours.public_id,
            "<credit>": credit.public_id,
            "<credit note>": note.public_id,
            "<top-up>": top_up.public_id,
            "<webhook>": webhook.public_id,
            "<delivery>": delivery.public_id,
            "<line>": ours.lines.first().public_id,
            "<invoice of another>": theirs.public_id,
        },
    )


def a_world_with_people() -> World:
    """And an owner and an operator who look at its pages."""
    found = a_world()
    owner = User.objects.create_user("owner@acme.example", "a long enough password")
    Membership.objects.create(workspace=Workspace.objects.get(name="Acme"), user=owner, role="owner")
    User.objects.create_user("operator@omixa.example", "a long enough password", is_staff=True)
    return found


@pytest.fixture
def world(db: None) -> World:
    return a_world_with_people()


@contextmanager
def made_for_long(blocker: DjangoDbBlocker) -> Iterator[World]:
    """The same for many tests; each finds it as it was made."""
    with lasting(blocker):
        with making(blocker):
            found = a_world_with_people()
        yield found


@pytest.fixture(scope="package")
def lasting_world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """For the tests of a folder."""
    with made_for_long(django_db_blocker) as found:
        yield found


def browser_of(address: str | None) -> Client:
    """Of the person with this address, or of a stranger. An error of ours is the 500 that a browser would get."""
    client = Client(raise_request_exception=False)
    if address is not None:
        client.force_login(User.objects.get(email=address))
    return client


@pytest.fixture
def operator(world: World) -> Client:
    return browser_of("operator@omixa.example")
