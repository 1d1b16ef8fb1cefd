"""What gateways hear of a frozen key: a reason of its own, and within a second."""

from datetime import timedelta

import pytest

from metering.limits.authorize import authorize
from metering.limits.gateway.check_key import check_key
from metering.limits.gateway.requests import Authorize, CheckKey
from metering.limits.gateway.revocations import changes_since, newest_change
from metering.limits.held_and_refused import refused_lately
from metering.limits.models import Hold
from tests.kit.factories import NOW, make_price
from tests.kit.people import a_key
from tests.kit.tenants import TESTS
from tests.limits.cast import ask
from workspaces.keys.freezing import freeze_key, unfreeze_key
from workspaces.keys.issue import expire_key, revoke_key
from workspaces.models import Gateway, Workspace

SAID = {
    "status": 403,
    "body": {
        "error": {
            "message": "This API key is frozen. An owner or admin of its workspace can unfreeze it.",
            "type": "permission_error",
            "code": "key_frozen",
            "param": None,
        }
    },
}


def test_a_frozen_key_is_refused_by_decisions_with_its_own_reason(acme: Workspace, gateway: Gateway) -> None:
    make_price()
    key, secret = a_key(acme)
    freeze_key(key, TESTS, NOW)
    by_secret = Authorize(request_id="req_1", model="codex-mini", input_tokens=1000, key=secret)
    for answer in (ask(key, gateway), authorize(by_secret, gateway, NOW)):
        assert (answer["allowed"], answer["reason"], answer["error"]) == (False, "key_frozen", SAID)
    assert not Hold.objects.exists()
    unfreeze_key(key, TESTS, NOW)
    assert ask(key, gateway)["allowed"]
    freeze_key(key, TESTS, NOW)
    revoke_key(key, TESTS, NOW)
    assert ask(key, gateway, "req_2")["reason"] == "key_revoked"


def test_a_check_of_a_frozen_key_says_so(acme: Workspace, gateway: Gateway) -> None:
    key, secret = a_key(acme)
    freeze_key(key, TESTS, NOW)
    answer = check_key(CheckKey(secret), gateway, NOW)
    assert (answer["allowed"], answer["reason"], answer["status"], answer["error"]) == (False, "key_frozen", "frozen", SAID)


@pytest.mark.django_db(transaction=True)
def test_gateways_that_remember_the_key_are_told_of_both(acme: Workspace, gateway: Gateway) -> None:
    key, _ = a_key(acme)
    expire_key(key, NOW + timedelta(days=1), TESTS, NOW)  # there is a change to begin after
    for act in (freeze_key, unfreeze_key):
        before = newest_change()
        act(key, TESTS, NOW)
        assert [change["key_id"] for change in changes_since(before, gateway)["changes"]] == [key.public_id]


def test_what_a_frozen_key_was_refused_is_shown(acme: Workspace, gateway: Gateway) -> None:
    make_price()
    key, _ = a_key(acme)
    freeze_key(key, TESTS, NOW)
    ask(key, gateway)
    assert [(row.key_id, row.why) for row in refused_lately(acme, NOW)] == [(key.public_id, "Key frozen")]
