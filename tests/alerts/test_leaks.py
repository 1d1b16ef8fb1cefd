"""Secrets that GitHub finds in public: revoked or frozen at once, once, and those notified who can do something about it."""

import hashlib
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from metering.alerts.preferences import change_alert_settings
from metering.notifications.models import Notification
from metering.payments.mails.models import Notice
from metering.payments.mails.sending import send_waiting
from tests.alerts.github import GitHub
from tests.kit.concurrent import at_once
from tests.kit.days import fixed_day
from tests.kit.factories import NOW
from tests.kit.people import a_key, a_member, trail
from tests.kit.tenants import TESTS, with_key
from workspaces.keys.freezing import freeze_key, unfreeze_key
from workspaces.keys.issue import create_gateway, revoke_key, rotate_key
from workspaces.keys.secrets import new_secret, sha256
from workspaces.models import APIKey, AuditEntry, Credential, Gateway, Workspace

__all__ = ["fixed_day"]

NO_GRACE = timedelta(0)
URL = "https://github.com/octocat/hello/blob/1/config.py"


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def freezes(workspace: Workspace) -> None:
    change_alert_settings(workspace, {"on_leaked_key": "freeze"}, TESTS, NOW)


def announced(kind: str = "key.leaked") -> list[dict[str, Any]]:
    return list(Notification.objects.filter(type=kind).order_by("pk").values_list("data", flat=True))


@pytest.mark.parametrize("kind", ["live", "admin"])
def test_a_leaked_key_is_revoked_and_its_people_are_told(acme: Workspace, github: GitHub, kind: str) -> None:
    a_member(acme, "owner"), a_member(acme, "admin"), a_member(acme, "viewer")
    key, secret = a_key(acme, kind)
    answer = github.report(secret)
    assert (answer.status_code, answer.json()) == (
        200,
        [{"token_hash": hashed(secret), "token_type": "omixa_api_key", "label": "true_positive"}],
    )
    key.refresh_from_db()
    assert key.status(NOW) == "revoked"
    assert with_key(secret).get("/api/v1/key").status_code == 401
    shown = str(Credential.objects.get(api_key=key))
    assert announced() == [
        {
            "key_id": key.public_id,
            "name": "Server",
            "kind": kind,
            "secret": shown,
            "url": URL,
            "source": "commit",
            "outcome": "revoked",
        }
    ]
    send_waiting(NOW)
    (sent,) = mail.outbox
    assert (sent.subject, sent.to) == ("A key of yours was found in public", ["admin@acme.example", "owner@acme.example"])
    for line in ("We revoked it: requests with it are refused for good.", f"Found at: {URL}", f"Secret: {shown}"):
        assert line in sent.body
    assert trail(key.public_id)[1:3] == [
        ("github", "key.revoked", {}),
        ("github", "key.leaked", {"url": URL, "source": "commit", "outcome": "revoked"}),
    ]


def test_a_workspace_may_have_it_frozen_instead(acme: Workspace, github: GitHub) -> None:
    a_member(acme, "owner")
    key, secret = a_key(acme)
    freezes(acme)
    assert github.report(secret).json()[0]["label"] == "true_positive"
    key.refresh_from_db()
    assert (key.status(NOW), key.frozen_reason) == ("frozen", "leaked")
    assert [each["outcome"] for each in announced()] == ["frozen"]
    assert [(each["key_id"], each["reason"]) for each in announced("key.frozen")] == [(key.public_id, "leaked")]
    send_waiting(NOW)
    assert "We froze it: requests with it are refused until an owner or admin unfreezes it." in mail.outbox[0].body


@pytest.mark.parametrize("frozen", [False, True])
def test_told_twice_or_twice_in_one_report_it_is_one_act(acme: Workspace, github: GitHub, frozen: bool) -> None:
    key, secret = a_key(acme)
    if frozen:
        freezes(acme)
    for _ in range(3):
        assert [each["label"] for each in github.report(secret, secret).json()] == ["true_positive"]
    assert (len(announced()), Notice.objects.filter(kind="key_leaked").count()) == (1, 1)
    assert AuditEntry.objects.filter(action="key.leaked", target=key.public_id).count() == 1


def test_a_frozen_key_that_a_person_let_work_again_is_frozen_again(acme: Workspace, github: GitHub) -> None:
    key, secret = a_key(acme)
    freezes(acme)
    github.report(secret)
    unfreeze_key(key, TESTS, NOW)
    with pytest.MonkeyPatch.context() as later:
        later.setattr("metering.alerts.leaks.view.timezone.now", lambda: NOW.replace(hour=13))
        github.report(secret)
    key.refresh_from_db()
    assert (key.frozen_reason, len(announced())) == ("leaked", 2)


def test_a_key_that_was_frozen_for_another_reason_is_told_of(acme: Workspace, github: GitHub) -> None:
    key, secret = a_key(acme)
    freezes(acme)
    freeze_key(key, TESTS, NOW)
    github.report(secret)
    key.refresh_from_db()
    assert (key.frozen_reason, len(announced())) == ("leaked", 1)


def test_a_key_that_has_expired_is_revoked_too_since_its_expiry_can_be_moved(acme: Workspace, github: GitHub) -> None:
    key, secret = a_key(acme)
    APIKey.objects.filter(pk=key.pk).update(expires_at=NOW)
    github.report(secret)
    key.refresh_from_db()
    assert key.revoked_at == NOW


def test_a_secret_that_opens_nothing_any_more_harms_no_key(acme: Workspace, github: GitHub) -> None:
    rotated, old = a_key(acme)
    rotate_key(rotated, NO_GRACE, TESTS, NOW)
    revoked, gone = a_key(acme)
    revoke_key(revoked, TESTS, NOW)
    assert [each["label"] for each in github.report(old, gone).json()] == ["true_positive"] * 2
    assert announced() == []
    rotated.refresh_from_db()
    assert rotated.status(NOW) == "active"


def test_what_is_not_ours_is_a_false_positive(acme: Workspace, github: GitHub) -> None:
    unknown = new_secret("live")
    answer = github.report(unknown, "omx_live_nonsense", "ghp_something")
    assert [(each["token_hash"], each["label"]) for each in answer.json()] == [
        (hashed(token), "false_positive") for token in (unknown, "omx_live_nonsense", "ghp_something")
    ]
    assert announced() == []


def test_operators_are_told_of_a_gateways_token_which_still_works(github: GitHub, settings: Any) -> None:
    settings.OPERATOR_EMAILS = ["ops@omixa.example"]
    gateway, token = create_gateway("edge", TESTS, NOW)
    for _ in range(2):
        assert [each["label"] for each in github.report(token).json()] == ["true_positive"]
    assert Gateway.objects.get(pk=gateway.pk).revoked_at is None
    (about,) = announced()
    assert (about["gateway_id"], about["outcome"]) == (gateway.public_id, "none")
    assert Notification.objects.get(type="key.leaked").workspace is None
    send_waiting(NOW)
    (sent,) = mail.outbox
    assert (sent.subject, sent.to) == ("The token of gateway edge was found in public", ["ops@omixa.example"])
    assert "It still works, so that no customer is cut off: rotate it now." in sent.body
    assert f"/admin/workspaces/gateway/{gateway.pk}/change/" in sent.body


def test_an_operator_may_have_the_gateway_revoked(github: GitHub, settings: Any) -> None:
    settings.ON_LEAKED_GATEWAY = "revoke"
    gateway, token = create_gateway("edge", TESTS, NOW)
    github.report(token)
    assert Gateway.objects.get(pk=gateway.pk).revoked_at == NOW
    assert [action for _, action, _ in trail(gateway.public_id)] == ["gateway.created", "gateway.revoked", "gateway.leaked"]


def test_the_secret_is_neither_stored_nor_logged_nor_answered(
    acme: Workspace, github: GitHub, caplog: pytest.LogCaptureFixture, django_assert_max_num_queries: Any
) -> None:
    _, secret = a_key(acme)
    seen: list[str] = []
    with caplog.at_level(logging.DEBUG), django_assert_max_num_queries(200) as queries:
        answer = github.report(secret, url=f"https://github.com/octocat/{secret}")
        github.send(json.dumps([{"token": secret}]).encode())
        seen += [each["sql"] for each in queries.captured_queries]
    seen += [answer.content.decode(), caplog.text, json.dumps(announced()), json.dumps(list(Notice.objects.values("context")))]
    assert not [text for text in seen if secret in text]
    assert announced()[0]["url"] == "https://github.com/octocat/omx_live_[removed]"
    assert Credential.objects.filter(sha256=sha256(secret)).exists()


@pytest.mark.django_db(transaction=True)
def test_reports_of_one_key_at_once_are_one_act(acme: Workspace, github: GitHub) -> None:
    github.report("x")  # its keys are known from here on
    for choice in ("revoke", "freeze"):
        change_alert_settings(acme, {"on_leaked_key": choice}, TESTS, NOW)
        _, secret = a_key(acme)
        before = len(announced())
        answers = at_once(*[lambda secret=secret: github.report(secret)] * 8)  # type: ignore[misc]
        assert [each.status_code for each in answers] == [200] * 8
        assert len(announced()) == before + 1
