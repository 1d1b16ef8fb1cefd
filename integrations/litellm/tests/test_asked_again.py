"""How soon the product is asked again after it was away, and by whom."""

import asyncio
import time
from contextlib import suppress
from typing import Any

import pytest
from conftest import Product as Stub
from conftest import in_a_loop
from omixa_litellm.product import LONGEST_PAUSE, Product
from omixa_litellm.refusals import NoDecision
from through_front import ALLOWED, World, answers

AUTHORIZE = "/gateway/v1/authorize"


def test_calls_that_run_are_held_for_within_a_second_of_the_products_return(product: Stub) -> None:
    """A long stream runs through the outage; no other request comes by that would notice the product's return."""
    product.answers[AUTHORIZE] = (503, {})
    seconds: list[float] = []

    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        watching = asyncio.create_task(world.holds.watch(world.calls))
        world.settlement.dispatched(world.call, "acompletion", "openai", "openai/m")
        await asyncio.sleep(1.5)
        assert world.call.hold_id is None
        product.answers[AUTHORIZE] = (200, ALLOWED)
        back = time.monotonic()
        while world.call.hold_id is None:
            await asyncio.sleep(0.01)
            assert time.monotonic() - back < 5
        seconds.append(time.monotonic() - back)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await world.holds._product.close()
        await answers(world, scope, receive, send)

    world = World(application)
    world.holds._product = Product(product.url, "omx_gateway_x", 2)
    assert world.post().status == 200
    assert seconds[0] < 1.5  # of a pause of half a second and a busy machine
    assert [asked["request_id"] for asked in product.asked(AUTHORIZE)] == [world.events[0]["request_id"]]


def test_one_request_alone_tries_whether_the_product_answers_again(product: Stub) -> None:
    asked: list[float] = []

    def hangs(_: Any) -> tuple[int, Any]:
        asked.append(time.monotonic())
        time.sleep(0.3)
        return 503, {}

    async def many() -> list[Any]:
        client = Product(product.url, "omx_gateway_x", 2)
        with pytest.raises(NoDecision):
            await client.authorize({"request_id": "r"})
        await asyncio.sleep(LONGEST_PAUSE)
        answers = await asyncio.gather(*(client.authorize({"request_id": "r"}) for _ in range(20)), return_exceptions=True)
        product.answers[AUTHORIZE] = (200, ALLOWED)
        await asyncio.sleep(LONGEST_PAUSE)
        await client.authorize({"request_id": "r"})
        answers += await asyncio.gather(*(client.authorize({"request_id": "r"}) for _ in range(5)))
        await client.close()
        return answers

    product.answers[AUTHORIZE] = hangs
    answers = in_a_loop(many())
    assert [type(answer) for answer in answers] == [NoDecision] * 20 + [dict] * 5
    assert len(asked) == 2
