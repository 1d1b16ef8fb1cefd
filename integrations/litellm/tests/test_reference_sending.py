"""The client of docs/gateways.md and a product that answers badly: nothing is lost, and no absence is taken for a decision."""

import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Product, until

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from reference_client import Billing, NotUnderstood, Unavailable

EVENTS, AUTHORIZE = "/gateway/v1/events", "/gateway/v1/authorize"


def billing_of(product: Product, tmp_path: Path) -> Billing:
    return Billing(product.url, "omx_gateway_x", tmp_path)


def ask(billing: Billing) -> Any:
    return billing.request(key="omx_live_x", model="m", input_tokens=1)


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_question_that_was_refused_would_be_refused_again(product: Product, tmp_path: Path, status: int) -> None:
    product.answers[AUTHORIZE] = (status, {"error": {}})
    with pytest.raises(NotUnderstood) as refused:
        ask(billing_of(product, tmp_path))
    assert (refused.value.status, refused.value.body["error"]["code"]) == (400, "request_not_understood")


@pytest.mark.parametrize(
    "answer",
    [(401, {}), (404, {}), (429, {}), (500, {}), (503, {}), (202, {}), (200, []), (200, b"<html>"), (200, {"allowed": "yes"})],
)
def test_what_is_no_decision_is_none(product: Product, tmp_path: Path, answer: tuple[int, Any]) -> None:
    product.answers[AUTHORIZE] = answer
    with pytest.raises(Unavailable):
        ask(billing_of(product, tmp_path))


def test_an_answer_that_breaks_off_is_no_decision(product: Product, tmp_path: Path) -> None:
    product.breaks_off = True
    with pytest.raises(Unavailable):
        ask(billing_of(product, tmp_path))


def test_a_batch_that_is_too_large_arrives_in_halves_and_the_event_at_fault_is_put_aside(
    product: Product, tmp_path: Path
) -> None:
    def three_at_most(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        fits = len(body["events"]) <= 3 and 7 not in {event["number"] for event in body["events"]}
        return (202, {"rejected": []}) if fits else (413, {"error": {}})

    product.answers[EVENTS] = three_at_most
    away = Billing("http://127.0.0.1:9", "omx_gateway_x", tmp_path)
    for number in range(20):
        away.record({"number": number})
    billing = billing_of(product, tmp_path)
    until(lambda: not list(tmp_path.glob("*.json")))
    assert sorted(event["number"] for event in product.events()) == [number for number in range(20) if number != 7]
    assert billing.rejected == [{"code": "status_413", "event": {"number": 7}}]
    assert [path.read_text() for path in tmp_path.glob("*.rejected")] == ['{"number": 7}']


@pytest.mark.parametrize("answer", [(202, {}), (202, []), (200, {"rejected": []}), (202, b"<html>")])
def test_an_event_is_kept_until_the_product_has_it(product: Product, tmp_path: Path, answer: tuple[int, Any]) -> None:
    product.answers[EVENTS] = answer
    billing = billing_of(product, tmp_path)
    billing.record({"number": 1})
    until(product.events)
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]
    product.answers[EVENTS] = (202, {"rejected": []})
    until(lambda: not list(tmp_path.iterdir()))
    assert {event["number"] for event in product.events()} == {1}


def test_events_are_sent_on_though_an_answer_broke_off(product: Product, tmp_path: Path) -> None:
    product.breaks_off = True
    billing = billing_of(product, tmp_path)
    billing.record({"number": 1})
    until(product.events)
    product.breaks_off = False
    until(lambda: not list(tmp_path.iterdir()))
