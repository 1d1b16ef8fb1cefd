"""A key is asked for once, a revoked one is forgotten at once, and without the product those that are known work on."""

import asyncio
import threading
from typing import Any

import pytest
from conftest import Product as Stub
from conftest import in_a_loop
from omixa_litellm.keys import Keys
from omixa_litellm.product import Product
from omixa_litellm.refusals import NoDecision, Refusal

CHECK = "/gateway/v1/keys/check"
GOOD = {"allowed": True, "key_id": "key_1", "workspace_id": "ws_1", "models": None, "billing": "postpaid", "cache_seconds": 300}
BODY = {"error": {"message": "Revoked.", "type": "authentication_error", "code": "key_revoked", "param": None}}
REVOKED = {"allowed": False, "reason": "key_revoked", "message": "Revoked.", "error": {"status": 401, "body": BODY}}
FROZEN_BODY = {"error": {"message": "Frozen.", "type": "permission_error", "code": "key_frozen", "param": None}}
FROZEN = {"allowed": False, "reason": "key_frozen", "message": "Frozen.", "error": {"status": 403, "body": FROZEN_BODY}}


def run(work: Any, stub: Stub, grace: float = 3600) -> Any:
    async def with_keys() -> Any:
        product = Product(stub.url, "omx_gateway_x", 2)
        try:
            return await work(Keys(product, grace))
        finally:
            await product.close()

    return in_a_loop(with_keys())


def test_a_key_is_asked_for_once_in_its_life(product: Stub, secret: str) -> None:
    product.answers[CHECK] = (200, GOOD)

    async def work(keys: Keys) -> None:
        for _ in range(5):
            assert (await keys.check(secret)).key_id == "key_1"

    run(work, product)
    assert product.asked(CHECK) == [{"key": secret}]


def test_half_way_through_its_life_it_is_asked_for_again_and_nobody_waits(product: Stub, secret: str) -> None:
    product.answers[CHECK] = (200, GOOD)
    released, answered = threading.Event(), []

    def slow(_: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        released.wait(30)
        answered.append(True)
        return 200, GOOD

    async def work(keys: Keys) -> None:
        await keys.check(secret)
        (known,) = keys._known.values()
        known.asked_at -= 200
        product.answers[CHECK] = slow
        await keys.check(secret)
        await keys.check(secret)
        assert answered == []
        released.set()
        await asyncio.gather(*keys._tasks)

    run(work, product)
    assert len(product.asked(CHECK)) == 2


def test_a_mistyped_key_asks_nobody(product: Stub, secret: str) -> None:
    async def work(keys: Keys) -> Refusal:
        with pytest.raises(Refusal) as refused:
            await keys.check(secret[:-1])
        return refused.value

    refused = run(work, product)
    assert (refused.status, refused.body["error"]["code"], product.heard) == (401, "unknown_key", [])


@pytest.mark.parametrize("refusal", [REVOKED, FROZEN], ids=["revoked", "frozen"])
def test_the_products_own_words_are_relayed_unchanged(product: Stub, secret: str, refusal: dict[str, Any]) -> None:
    product.answers[CHECK] = (200, refusal)

    async def work(keys: Keys) -> Refusal:
        with pytest.raises(Refusal) as refused:
            await keys.check(secret)
        return refused.value

    refused = run(work, product)
    assert (refused.status, refused.body) == (refusal["error"]["status"], refusal["error"]["body"])


@pytest.mark.parametrize(
    "changed", [{"key_id": "key_1", "workspace_id": "ws_1"}, {"key_id": None, "workspace_id": "ws_1"}], ids=["key", "workspace"]
)
def test_a_change_of_the_key_or_its_workspace_asks_again(product: Stub, secret: str, changed: dict[str, Any]) -> None:
    product.answers[CHECK] = (200, GOOD)

    async def work(keys: Keys) -> None:
        keys._forget({"cursor": "1", "changes": []})
        await keys.check(secret)
        keys._forget({"cursor": "2", "changes": [{"key_id": "key_2", "workspace_id": "ws_1"}]})
        await keys.check(secret)
        assert len(product.asked(CHECK)) == 1
        product.answers[CHECK] = (200, REVOKED)
        keys._forget({"cursor": "3", "changes": [changed]})
        with pytest.raises(Refusal):
            await keys.check(secret)

    run(work, product)


@pytest.mark.parametrize("first", [True, False], ids=["unknown before", "known before"])
@pytest.mark.parametrize("change", [{"key_id": "key_1", "workspace_id": "ws_1"}, None], ids=["this key", "a reset"])
def test_an_answer_that_a_revocation_overtakes_is_not_remembered(
    product: Stub, secret: str, first: bool, change: dict[str, Any] | None
) -> None:
    product.answers[CHECK] = (200, GOOD)
    arrived, revoked = threading.Event(), threading.Event()

    def decided_before(_: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        arrived.set()
        revoked.wait(30)
        product.answers[CHECK] = (200, REVOKED)
        return 200, GOOD

    async def work(keys: Keys) -> None:
        keys._forget({"cursor": "1", "changes": []})
        if not first:
            await keys.check(secret)
            (known,) = keys._known.values()
            known.asked_at -= 200  # so that it is refreshed
        product.answers[CHECK] = decided_before
        asked = asyncio.ensure_future(keys.check(secret))
        await asyncio.to_thread(arrived.wait, 30)
        keys._forget({"cursor": "2", "changes": [change]} if change else {"cursor": "2", "changes": [], "reset": True})
        revoked.set()
        await asyncio.gather(asked, *keys._tasks, return_exceptions=True)
        with pytest.raises(Refusal) as refused:
            await keys.check(secret)
        assert refused.value.body == BODY

    run(work, product)


def test_a_key_that_is_asked_for_while_others_are_revoked_without_end_is_answered_and_not_remembered(
    product: Stub, secret: str
) -> None:
    async def work(keys: Keys) -> None:
        keys._forget({"cursor": "1", "changes": []})

        def overtaken(_: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            keys._forget({"cursor": "2", "changes": [{"key_id": "key_9", "workspace_id": "ws_9"}]})
            return 200, GOOD

        product.answers[CHECK] = overtaken
        assert (await keys.check(secret)).key_id == "key_1"
        assert len(product.asked(CHECK)) == 3
        product.answers[CHECK] = (200, REVOKED)
        with pytest.raises(Refusal):
            await keys.check(secret)

    run(work, product)


@pytest.mark.parametrize(("named", "runs"), [(True, False), (False, True)])
def test_a_key_that_a_change_names_has_no_grace(product: Stub, secret: str, named: bool, runs: bool) -> None:
    """A reset names nobody: without the product all keys would stop."""
    product.answers[CHECK] = (200, GOOD)

    async def work(keys: Keys) -> None:
        keys._forget({"cursor": "1", "changes": []})
        await keys.check(secret)
        changes = [{"key_id": "key_1", "workspace_id": "ws_1"}] if named else []
        keys._forget({"cursor": "2", "changes": changes, "reset": not named})
        product.answers[CHECK] = (503, {})
        if runs:
            assert (await keys.check(secret)).key_id == "key_1"
        else:
            with pytest.raises(NoDecision):
                await keys.check(secret)

    run(work, product)


def test_a_known_key_works_on_while_the_product_is_away_and_an_unknown_one_has_no_decision(product: Stub, secret: str) -> None:
    product.answers[CHECK] = (200, GOOD)

    async def work(keys: Keys) -> None:
        await keys.check(secret)
        product.answers[CHECK] = (503, {})
        (known,) = keys._known.values()
        known.asked_at -= 1_000
        assert (await keys.check(secret)).key_id == "key_1"
        known.asked_at -= 3_000
        with pytest.raises(NoDecision):
            await keys.check(secret)

    run(work, product)


def test_no_key_is_kept(product: Stub, secret: str) -> None:
    product.answers[CHECK] = (200, GOOD)

    async def work(keys: Keys) -> str:
        await keys.check(secret)
        return repr(keys._known)

    assert secret not in run(work, product)
