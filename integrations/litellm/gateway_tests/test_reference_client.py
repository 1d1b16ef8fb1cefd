"""The client of docs/gateways.md against a real product."""

import sys
from pathlib import Path
from typing import Any

import pytest
from world import REPOSITORY, Workspace, World, cost, until

sys.path.insert(0, str(REPOSITORY / "integrations"))

from reference_client import Billing, NotUnderstood, Refused, Unavailable

USAGE = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}


@pytest.fixture
def billing(world: World, tmp_path: Path) -> Billing:
    return Billing(world.url, world.gateway_token(), tmp_path)


def ask(billing: Billing, workspace: Workspace, **more: Any) -> Any:
    return billing.request(
        **{"key": workspace.live_key, "model": "echo-plain", "input_tokens": 100, "max_output_tokens": 50, **more}
    )


def test_an_answer_settles_its_hold(world: World, workspace: Workspace, billing: Billing, tmp_path: Path) -> None:
    with ask(billing, workspace) as request:
        request.begin_attempt()
        request.failed()
        request.begin_attempt()
        request.extend(10)
        request.succeeded(USAGE)
    event = world.settled(request.request_id, workspace)
    assert (event["attempt"], float(event["cost"])) == (1, float(cost(USAGE)))
    until(lambda: not list(tmp_path.glob("*")), 10)
    assert billing.rejected == []
    with pytest.raises(NotUnderstood):  # it has ended
        request.extend(20)


def test_a_question_at_fault_is_the_clients_own_and_never_taken_for_an_absence(workspace: Workspace, billing: Billing) -> None:
    with pytest.raises(NotUnderstood) as refused:
        ask(billing, workspace, input_tokens=-1)
    assert (refused.value.status, refused.value.body["error"]["code"]) == (400, "request_not_understood")


@pytest.mark.own_workspace
def test_what_came_to_nothing_lets_go(world: World, workspace: Workspace, billing: Billing) -> None:
    world.manage("set_terms", workspace.id, "--prepaid")
    world.manage("grant_credit", workspace.id, "1.00")
    with ask(billing, workspace) as first:
        held = first.remaining
    with ask(billing, workspace) as second:
        assert second.remaining == held


@pytest.mark.own_workspace
@pytest.mark.parametrize(("failed", "released"), [(True, True), (False, False)])
def test_a_hold_is_kept_while_nobody_said_how_its_attempt_ended(
    world: World, workspace: Workspace, billing: Billing, failed: bool, released: bool
) -> None:
    world.manage("set_terms", workspace.id, "--prepaid")
    world.manage("grant_credit", workspace.id, "1.00")
    with ask(billing, workspace) as first:
        first.begin_attempt()
        if failed:
            first.failed()
    with ask(billing, workspace) as second:
        assert (second.remaining == first.remaining) == released


@pytest.mark.own_workspace
def test_a_refusal_is_ready_to_send_on(world: World, workspace: Workspace, billing: Billing) -> None:
    world.manage("set_terms", workspace.id, "--prepaid")
    with pytest.raises(Refused) as refused:
        ask(billing, workspace)
    assert (refused.value.status, refused.value.body["error"]["code"]) == (402, "balance_used_up")
    with pytest.raises(Refused) as unknown:
        billing.check_key(f"omx_live_{'0' * 36}")
    assert (unknown.value.status, unknown.value.reason) == (401, "unknown_key")


def test_without_a_product_there_is_no_decision_and_events_wait(workspace: Workspace, tmp_path: Path) -> None:
    away = Billing("http://127.0.0.1:9", "omx_gateway_x", tmp_path)
    with pytest.raises(Unavailable):
        ask(away, workspace)
    away.record({"request_id": "r1"})
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]


@pytest.mark.own_workspace
def test_a_revocation_is_told_to_who_waits_for_it(world: World, workspace: Workspace, billing: Billing) -> None:
    cursor = billing.revocations()["cursor"]
    world.ask(f"/api/v1/keys/{workspace.live_key_id}/revoke", workspace.admin_key, {})
    assert workspace.live_key_id in {change["key_id"] for change in billing.revocations(cursor)["changes"]}
