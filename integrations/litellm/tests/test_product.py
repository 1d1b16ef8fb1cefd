"""What the product answers is a decision, a question that it refuses, or its absence; nothing is taken for another."""

import pytest
from conftest import Product as Stub
from conftest import in_a_loop
from omixa_litellm.product import Product
from omixa_litellm.refusals import NoDecision, NotUnderstood

AUTHORIZE = "/gateway/v1/authorize"


async def failure(stub: Stub) -> type[NoDecision]:
    product = Product(stub.url, "omx_gateway_x", 2)
    try:
        with pytest.raises(NoDecision) as raised:
            await product.authorize({"request_id": "r1"})
        return raised.type
    finally:
        await product.close()


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_question_that_was_refused_would_be_refused_again(product: Stub, status: int) -> None:
    product.answers[AUTHORIZE] = (status, {"error": {}})
    assert in_a_loop(failure(product)) is NotUnderstood


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503])
def test_what_is_no_fault_of_the_question_is_no_decision(product: Stub, status: int) -> None:
    product.answers[AUTHORIZE] = (status, {"error": {}})
    assert in_a_loop(failure(product)) is NoDecision


def test_a_200_without_a_decision_is_none(product: Stub) -> None:
    product.answers[AUTHORIZE] = (200, {"allowed": "yes"})
    assert in_a_loop(failure(product)) is NoDecision
