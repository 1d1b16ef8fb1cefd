"""Questions that wait at the same moment are decided by one statement, each as if it had been asked alone."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from metering.credits import ledger
from metering.invoicing.terms.models import BillingTerms
from metering.limits.accounts import ensure_account
from metering.limits.gateway.together import Question, decide_together
from metering.limits.models import Hold
from tests.kit.factories import NOW, make_gateway, make_key, make_workspace
from tests.limits.cast import a_budget, a_key_to_a_dear_model, kept
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(name="key")
def an_unlimited_key() -> APIKey:
    return a_key_to_a_dear_model()


def question(gateway: Gateway, request_id: str, **asked: Any) -> Question:
    """One token of input at 75 USD, no output."""
    said = {"request_id": request_id, "model": "dear", "input_tokens": 1, "max_output_tokens": 0} | asked
    return Question(gateway, json.dumps(said).encode(), "")


def verdict_of(answer: dict[str, Any] | None) -> str:
    return "left to its view" if answer is None else answer.get("reason", "allowed")


def test_a_group_of_twenty_of_75_on_500_holds_six(key: APIKey, gateway: Gateway) -> None:
    budget = a_budget(key.workspace, "500")
    with CaptureQueriesContext(connection) as statements:
        answers = decide_together([question(gateway, f"req_{number}", key_id=key.public_id) for number in range(20)])
    assert Counter(map(verdict_of, answers)) == {"allowed": 6, "budget_reached": 14}
    assert kept(budget) == (Decimal(0), Decimal(450))
    assert sum("metering_authorize" in each["sql"] for each in statements) == 1


def test_each_of_a_group_hears_its_own_answer(key: APIKey, gateway: Gateway) -> None:
    other, narrow = make_key(make_workspace("Other")), make_key(make_workspace("Narrow"))
    a_budget(narrow.workspace, "10")
    questions = [
        question(gateway, "mine", key_id=key.public_id),
        question(gateway, "unread", key_id=key.public_id, input_tokens=-1),
        question(gateway, "stranger", key_id="key_none"),
        question(gateway, "dear", key_id=narrow.public_id),
        question(gateway, "theirs", key_id=other.public_id),
        question(gateway, "mine", key_id=key.public_id),
        question(gateway, "theirs", key_id=other.public_id, input_tokens=2),
        Question(gateway, b"\x1f\x8bno gzip", "gzip"),
        question(gateway, "dry", key_id=key.public_id, dry_run=True),
    ]
    answers = decide_together(questions)
    assert list(map(verdict_of, answers)) == [
        "allowed",
        "left to its view",
        "unknown_key",
        "budget_reached",
        "allowed",
        "allowed",
        "left to its view",
        "left to its view",
        "allowed",
    ]
    said = [(answer["request_id"], answer["key_id"]) for answer in answers if answer is not None and answer["allowed"]]
    assert said == [
        ("mine", key.public_id),
        ("theirs", other.public_id),
        ("mine", key.public_id),
        ("dry", key.public_id),
    ]
    assert answers[0] is not None
    assert answers[0] == answers[5]
    held = Hold.objects.order_by("request_id").values_list("request_id", "public_id", "amount")
    assert [(name, amount) for name, _, amount in held] == [("mine", Decimal(75)), ("theirs", Decimal(75))]
    assert [hold for _, hold, _ in held] == [answers[0]["hold_id"], answers[4]["hold_id"]]  # type: ignore[index]


def test_a_bound_gateway_and_another_one_may_ask_in_one_group(key: APIKey, gateway: Gateway) -> None:
    bound = make_gateway("bound")
    bound.bound_to = [key.workspace_id + 1]
    answers = decide_together(
        [question(bound, "foreign", key_id=key.public_id), question(gateway, "own", key_id=key.public_id)]
    )
    assert list(map(verdict_of, answers)) == ["unknown_key", "allowed"]
    assert list(Hold.objects.values_list("request_id", "gateway_id")) == [("own", gateway.pk)]


def test_a_balance_that_is_not_worked_out_yet_is_left_to_the_view_and_the_others_are_decided(
    key: APIKey, gateway: Gateway
) -> None:
    prepaid = make_key(make_workspace("Prepaid"))
    BillingTerms.objects.create(workspace=prepaid.workspace, mode="prepaid")
    ledger.grant(prepaid.workspace, "purchased", Decimal(100), "test", NOW)
    ensure_account(prepaid.workspace_id)
    asked = [question(gateway, "prepaid", key_id=prepaid.public_id), question(gateway, "own", key_id=key.public_id)]
    assert list(map(verdict_of, decide_together(asked))) == ["left to its view", "allowed"]


def test_without_the_database_every_question_is_left_to_its_view_and_nothing_is_held(key: APIKey, gateway: Gateway) -> None:
    asked = [question(gateway, f"req_{number}", key_id=key.public_id) for number in range(3)]
    assert list(map(verdict_of, decide_together(asked[:1]))) == ["allowed"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()

    def end() -> None:
        with connection.cursor() as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])
        connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(end).result()
    assert list(map(verdict_of, decide_together(asked))) == ["left to its view"] * 3
    connection.close()
    assert Hold.objects.count() == 1


def test_groups_that_name_the_same_keys_in_other_orders_wait_for_each_other_and_never_in_a_circle(
    key: APIKey, gateway: Gateway
) -> None:
    """With limits and without: of the refused no account is locked, only the row that counts them."""
    keys = [key, *(make_key(make_workspace(f"W{number}")) for number in range(5))]
    for each in keys[::2]:
        a_budget(each.workspace, "10")
    for each in keys[1::2]:
        each.revoked_at = NOW
        each.save()

    def ask(number: int) -> list[str]:
        order = keys if number % 2 else keys[::-1]
        try:
            return list(
                map(verdict_of, decide_together([question(gateway, f"{number}", key_id=each.public_id) for each in order]))
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(ask, range(80)))
    assert {verdict for verdicts in found for verdict in verdicts} == {"budget_reached", "key_revoked"}
    assert {tuple(verdicts) for verdicts in found[1::2]} == {("budget_reached", "key_revoked") * 3}
