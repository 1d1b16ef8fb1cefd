"""One product and one gateway for all of these tests. Those that change what a workspace may do have one of their own."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import anthropic
import openai
import pytest
from world import Workspace, World

_number = itertools.count(1)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("world")
    world = World(folder)
    try:
        world.start()
        yield world
    finally:
        world.stop()


@pytest.fixture(scope="session")
def customer(world: World) -> Workspace:
    return world.make_workspace("Customer")


@pytest.fixture
def workspace(request: pytest.FixtureRequest, world: World, customer: Workspace) -> Workspace:
    """The common one, or with the mark `own_workspace` a new one."""
    if request.node.get_closest_marker("own_workspace") is None:
        return customer
    return world.make_workspace(f"Customer {next(_number)}")


@pytest.fixture
def client(world: World, workspace: Workspace) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{world.gateway}/v1", api_key=workspace.live_key, max_retries=0, timeout=60)


@pytest.fixture
def claude(world: World, workspace: Workspace) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=world.gateway, api_key=workspace.live_key, max_retries=0, timeout=60)
