"""Whether a report is GitHub's is known before anything of it is read."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from metering.alerts.leaks.github import LEAST_SECONDS_BETWEEN, OLD_AFTER
from metering.notifications.models import Notification
from tests.alerts.github import DOCUMENTED_BODY, DOCUMENTED_IDENTIFIER, DOCUMENTED_SIGNATURE, PATH, GitHub
from tests.kit.days import fixed_day
from tests.kit.factories import NOW
from tests.kit.people import a_key
from workspaces.models import APIKey, Workspace

__all__ = ["fixed_day"]

IDENTIFIER, SIGNATURE = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def a_report(secret: str) -> bytes:
    return json.dumps([{"token": secret, "type": "omixa_api_key", "url": "", "source": "commit"}]).encode()


def test_the_example_of_githubs_documentation_is_accepted(github: GitHub) -> None:
    answer = github.send(DOCUMENTED_BODY, **{IDENTIFIER: DOCUMENTED_IDENTIFIER, SIGNATURE: DOCUMENTED_SIGNATURE})
    assert (answer.status_code, [each["label"] for each in answer.json()]) == (200, ["false_positive"])
    changed = DOCUMENTED_BODY.replace(b"some_token", b"same_token")
    answer = github.send(changed, **{IDENTIFIER: DOCUMENTED_IDENTIFIER, SIGNATURE: DOCUMENTED_SIGNATURE})
    assert refused(answer) == (401, "invalid_signature")


@pytest.mark.parametrize(
    "wrong",
    [
        "no headers",
        "no identifier",
        "no signature",
        "no base64",
        "not der",
        "of another body",
        "by another key",
        "an odd id",
    ],
)
def test_nothing_is_done_about_what_github_did_not_sign(acme: Workspace, github: GitHub, wrong: str) -> None:
    key, secret = a_key(acme)
    body, other = a_report(secret), github.new_key()
    said = github.headers(body)
    match wrong:
        case "no headers":
            said = {"Accept": "*/*"}
        case "no identifier":
            del said[IDENTIFIER]
        case "no signature":
            del said[SIGNATURE]
        case "no base64":
            said[SIGNATURE] = "é~" + said[SIGNATURE]
        case "not der":
            said[SIGNATURE] = base64.b64encode(b"nonsense").decode()
        case "of another body":
            said = github.headers(body + b" ")
        case "by another key":
            said[SIGNATURE] = github.headers(body, other)[SIGNATURE]
        case "an odd id":
            said[IDENTIFIER] = "../" + said[IDENTIFIER]
    assert refused(github.send(body, **said)) == (401, "invalid_signature")
    key.refresh_from_db()
    assert (key.status(NOW), Notification.objects.count()) == ("active", 0)


def test_the_keys_are_fetched_once_and_again_when_a_new_one_is_named(github: GitHub) -> None:
    for _ in range(3):
        assert github.report("x").status_code == 200
    assert github.asked == 1
    github.identifier = github.new_key()
    assert refused(github.report("x")) == (503, "scanning_keys_unavailable")  # asked just now
    later = NOW + timedelta(seconds=LEAST_SECONDS_BETWEEN + 1)
    with time_machine.travel(later, tick=False):
        assert github.report("x").status_code == 200
    assert github.asked == 2


def test_made_up_identifiers_do_not_make_us_ask_github_each_time(github: GitHub) -> None:
    answers = []
    for number in range(50):
        said = github.headers(b"[]") | {IDENTIFIER: f"{number + 100:064x}"}
        answers.append(refused(github.send(b"[]", **said)))
    assert answers[0] == (401, "invalid_signature")
    assert set(answers[1:]) == {(503, "scanning_keys_unavailable")}
    assert github.asked == 1
    assert github.report("x").status_code == 200


@pytest.mark.parametrize("answer", [(500, b""), (200, b"nonsense"), (200, b"{}"), (302, b""), (200, b"[" * 300_000)])
def test_while_github_does_not_answer_with_keys_nothing_is_done(
    acme: Workspace, github: GitHub, answer: tuple[int, bytes]
) -> None:
    key, secret = a_key(acme)
    github.answer = answer
    refusal = github.report(secret)
    assert refused(refusal) == (503, "scanning_keys_unavailable")
    assert refusal["Retry-After"] == "120"
    assert APIKey.objects.get(pk=key.pk).status(NOW) == "active"
    assert github.asked == 1


def test_keys_that_are_a_day_old_are_fetched_again_and_good_while_github_is_away(github: GitHub) -> None:
    assert github.report("x").status_code == 200
    github.answer = (500, b"")
    with time_machine.travel(NOW + OLD_AFTER + timedelta(seconds=1), tick=False):
        assert github.report("x").status_code == 200
    assert github.asked == 2


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{}", b'"omx"', b"[1]", b'[{"type": "x"}]', b'[{"token": ""}]', b'[{"token": "x", "type": 1}]', b"\xff",
     b"[" + b",".join([b'{"token": "x", "type": "y"}'] * 5001) + b"]"],
)  # fmt: skip
def test_a_signed_body_that_is_no_report_is_refused(github: GitHub, body: bytes) -> None:
    assert refused(github.send(body, **github.headers(body))) == (400, "malformed_body")


def test_it_can_be_switched_off(github: GitHub, settings: Any) -> None:
    settings.SECRET_SCANNING_KEYS_URL = ""
    assert refused(github.report("x")) == (404, "not_found")
    assert github.asked == 0


def test_other_methods_are_refused(github: GitHub) -> None:
    assert Client().get(PATH).status_code == 405
