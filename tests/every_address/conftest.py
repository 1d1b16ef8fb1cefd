"""The world of the API's tests, with an owner and an operator who look at its pages."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpResponse
from django.test import Client
from django_celery_beat.models import IntervalSchedule

from metering.ingest.understanding.decide import make_rule
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.lifecycle.void import mark_uncollectible
from metering.notifications.endpoints.change import create_webhook
from metering.payments.collecting.manual import record_transfer
from metering.payments.mails.outbox import add_notice
from metering.payments.refunds.reversals import void_invoice
from metering.payments.webhooks.models import WebhookEvent
from metering.periods import parse_month
from tests.kit.billing import at
from tests.kit.days import fixed_day
from tests.kit.factories import NOW, an_event, make_price
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from tests.kit.tenants import Sender, a_tenant, usage_of
from tests.kit.world import World, browser_of, lasting_world, operator
from workspaces.members import members
from workspaces.members.invitations.invite import invite
from workspaces.models import Gateway, User, Workspace

__all__ = ["fixed_day", "lasting_world", "operator"]


@pytest.fixture
def world(lasting_world: World, db: None) -> World:
    return lasting_world


Look = Callable[[Client, str], HttpResponse]


@pytest.fixture(scope="package")
def answered() -> dict[tuple[str, str], HttpResponse]:
    """By who asked and the path. The world is the same in each test, and so is what it answers to a GET."""
    return {}


@pytest.fixture
def look(answered: dict[tuple[str, str], HttpResponse]) -> Look:
    """What an address answers to a caller: asked once for all tests that do no more than look at it."""

    def look_at(client: Client, path: str) -> HttpResponse:
        who = client.session[SESSION_KEY] if settings.SESSION_COOKIE_NAME in client.cookies else "nobody"
        if (who, path) not in answered:
            answered[who, path] = client.get(path)
        return answered[who, path]

    return look_at


@pytest.fixture
def stranger(world: World) -> Client:
    return browser_of(None)


@pytest.fixture
def owner(world: World) -> Client:
    return browser_of("owner@acme.example")


def given() -> dict[str, dict[str, str]]:
    """What is sent beside what a form shows, by the name of its page."""
    acme, interval = Workspace.objects.get(name="Acme"), IntervalSchedule.objects.values_list("pk", flat=True)[0]
    return {
        "admin:metering_invoice_export": {"first": "2026-09", "last": "2026-09"},
        "admin:metering_invoice_credit": {"what": "whole", "reason": "wrong"},
        "admin:metering_priceversion_add": {"model": "codex-mini", "input": "1", "output": "2", "service_tier": "flex"},
        "admin:metering_priceversion_factor": {"model": "codex-mini", "service_tier": "batch", "factor": "0.5"},
        "admin:metering_priceimport_add": {"pasted": "model,input,output\nimported,1,2\n"},
        "admin:metering_quarantinedevent_edit_and_replay": {"reason": "wrong"},
        "admin:workspaces_apikey_add": {"workspace": str(acme.pk), "name": "Another", "kind": "live"},
        "admin:django_celery_beat_periodictask_add": {"regtask": "metering.send_notices", "interval": str(interval)},
        "admin:metering_budget_add": {"workspace": str(acme.pk), "scope": "workspace", "window": "week", "limit": "5"},
        "admin:metering_budget_change_limit": {"limit": "5"},
        "admin:workspaces_workspace_pay_out": {"amount": "1.00", "reference": "a wire"},
        "admin:workspaces_workspace_close_workspace": {"reason": "moves away"},
        "admin:workspaces_workspace_transfer_credit": {
            "to": str(Workspace.objects.get(name="Rival").pk),
            "amount": "1.00",
            "reference": "a split",
            "statement": "one owner",
        },
        "admin:metering_payment_charge_back": {"reference": "a return"},
        "admin:workspaces_workspace_allowed_models": {"models": "codex-mini"},
        "pages:alerts": {"on_leaked_key": "freeze"},
        "pages:billing_buy": {"amount": "5.00"},
        "admin:metering_webhookendpoint_add": {"url": "https://ops.omixa.example/"},
        "admin:metering_webhookendpoint_change_it": {"description": "Pager"},
        "pages:budget": {"limit": "5.00"},
        "pages:budget_new": {"scope": "workspace", "window": "day", "limit": "5.00"},
        "pages:billing_preferences": {"amount": "5.00", "threshold": "1.00"},
        "pages:webhook_change": {"description": "CRM"},
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
    make_rule("openai.chat", "tool_tokens", "information", "", "the documentation", operator.email, NOW)
    void = a_tenant("Void")
    send(void.key, at("09-14T09:30"), usage=usage_of(1_000_000, 0))  # something is due, or it would be paid
    (voided,) = close_workspaces(parse_month("2026-09"), NOW, workspace=void.workspace, finalize=True)
    void_invoice(voided.pk, "wrong", operator.email, NOW)
    owing = a_tenant("Owing")
    send(owing.key, at("08-14T09:30"), at("09-14T09:30"), usage=usage_of(1_000_000, 0))
    (august,) = close_workspaces(parse_month("2026-08"), NOW, workspace=owing.workspace, finalize=True)
    record_transfer([august.pk], Decimal("100.00"), "a wire", operator.email, NOW)  # most of it is a surplus
    close_workspaces(parse_month("2026-09"), NOW, workspace=owing.workspace, finalize=True)
    lost = a_tenant("Lost")
    send(lost.key, at("09-14T09:30"), usage=usage_of(1_000_000, 0))
    (written_off,) = close_workspaces(parse_month("2026-09"), NOW, workspace=lost.workspace, finalize=True)
    mark_uncollectible(written_off.pk, "gone", operator.email, NOW)
    add_notice(acme, "invoice_finalized", "a mail", {}, NOW)
    about: dict[str, Any] = {"type": "charge.refunded", "payload": {}, "created_at": NOW, "received_at": NOW}
    WebhookEvent.objects.create(event_id="evt_1", status="failed", **about)
    create_webhook(None, "https://ops.omixa.example/", actor=operator.email, now=NOW)
    with_method(acme, stripe)
    return world


# The API of programs. What is missing here is called without a body, and found out.
BODIES: dict[str, dict[str, Any]] = {
    "post /api/v1/keys": {"name": "Another", "kind": "live"},
    "patch /api/v1/keys/<key_id>": {"name": "Renamed"},
    "post /api/v1/budgets": {"scope": "model", "scope_id": "*", "window": "day", "limit": "10.00"},
    "patch /api/v1/alert-settings": {"on_leaked_key": "freeze"},
    "patch /api/v1/budgets/<budget_id>": {"limit": "50.00"},
    "post /api/v1/webhooks": {"url": "https://hooks.acme.example/"},
    "patch /api/v1/webhooks/<webhook_id>": {"description": "CRM"},
    "post /api/v1/credits/top-ups": {"amount": "5.00", "method": "page"},
    "post /api/v1/invoices/<invoice_id>/pay": {"method": "page"},
    "post /api/v1/operator/workspaces/<workspace_id>/lines": {"month": "2026-10", "amount": "5.00", "text": "Set-up"},
    "post /api/v1/operator/workspaces/<workspace_id>/fees": {"name": "Seats", "monthly": "1.00", "first_day": "2026-10-01"},
    "post /api/v1/operator/workspaces/<workspace_id>/close": {"reason": "moves away"},
    "post /api/v1/operator/workspaces/<workspace_id>/close/preview": {"reason": "moves away"},
    "post /api/v1/operator/workspaces/<workspace_id>/payouts": {"amount": "1.00", "reference": "a wire"},
    "post /api/v1/operator/workspaces/<workspace_id>/reissue": {"month": "2026-09"},
    "post /api/v1/operator/invoices/<invoice_id>/payments": {"amount": "1.00", "reference": "a wire"},
    "post /api/v1/operator/invoices/<invoice_id>/void": {"reason": "wrong"},
    "post /api/v1/operator/invoices/<invoice_id>/credit-notes": {"reason": "wrong"},
    "post /api/v1/operator/invoices/<invoice_id>/write-off": {"reason": "gone"},
    "post /api/v1/operator/invoices/<invoice_id>/write-off-reversal": {"reason": "not gone"},
    "post /api/v1/operator/chargebacks": {"invoice": "<invoice>", "amount": "1.00", "reference": "a return"},
    "post /api/v1/operator/chargebacks/<chargeback_id>/reversal": {"reason": "paid again"},
    "post /api/v1/operator/credit-transfers": {
        "from_workspace_id": "<workspace>",
        "to_workspace_id": "<workspace of another>",
        "amount": "1.00",
        "reference": "a split",
        "statement": "one owner",
    },
}
