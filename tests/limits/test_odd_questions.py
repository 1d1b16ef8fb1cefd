"""Questions of gateways whose clients wrote what no text has, or what cannot be read at all."""

import json
from decimal import Decimal

import pytest
import time_machine

from metering.credits import ledger
from metering.errors import MalformedBody
from metering.ingest.models import UsageEvent
from metering.invoicing.terms.models import BillingTerms
from metering.limits.authorize import authorize
from metering.limits.errors import BalanceUnknown
from metering.limits.gateway.requests import Authorize, read_request
from metering.limits.models import Hold
from metering.payments.balance.suspension import update_suspension
from omixa_billing.api.errors import InvalidParameter
from tests.kit.factories import NOW, an_event, send
from tests.limits.cast import a_budget, ask, kept
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db


def test_a_request_is_of_the_same_end_user_as_its_event_whatever_text_that_is(key: APIKey, gateway: Gateway) -> None:
    budget = a_budget(key.workspace, "1", "user", "*")
    said = {"request_id": "r", "key_id": key.public_id, "model": "codex-mini", "input_tokens": 1, "max_output_tokens": 1}
    for at, (user, stored) in enumerate([("a\x00", "a\ufffd"), ("b\ud800", "b\ufffd")]):
        body = json.dumps(said | {"request_id": f"r{at}", "user": user, "metadata": {"m": user}}).encode()
        assert authorize(read_request(body, Authorize), gateway, NOW)["allowed"]
        assert kept(budget, stored)[1] > 0
        send(gateway, [an_event(key, request_id=f"r{at}", user=user)])
        assert kept(budget, stored) == (UsageEvent.objects.get(request_id=f"r{at}").cost, 0)


@pytest.mark.parametrize("body", [b'{"request_id": "\\ud800"}', b'{"metadata": {"a": ' + b"[" * 5000])
def test_a_question_that_cannot_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        read_request(body, Authorize)


@pytest.mark.parametrize("name", ["request_id", "key_id", "model", "key"])
def test_a_name_that_decides_is_not_changed_but_refused(name: str) -> None:
    said = {"request_id": "r", "key_id": "key_1", "model": "codex-mini", "input_tokens": 1}
    with pytest.raises(InvalidParameter):
        read_request(json.dumps(said | {name: "a\x00"}).encode(), Authorize)
    with pytest.raises(MalformedBody):
        read_request(json.dumps(said | {name: "a\ud800"}).encode(), Authorize)


def test_a_clock_behind_the_databases_at_the_end_of_a_month_makes_no_decision(key: APIKey, gateway: Gateway) -> None:
    BillingTerms.objects.create(workspace=key.workspace, mode="prepaid")
    ledger.grant(key.workspace, "purchased", Decimal("12.00"), "ops", NOW)
    update_suspension(key.workspace_id, NOW)
    with time_machine.travel(NOW, tick=False), pytest.raises(BalanceUnknown) as refused:
        ask(key, gateway, now=None)
    assert (refused.value.status, refused.value.retry_after) == (503, 1)
    assert not Hold.objects.exists()
    assert ask(key, gateway, now=None)["allowed"]
