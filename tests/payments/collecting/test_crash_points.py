"""Dying at every single point, and Stripe failing at every single call: in the end exactly what was to be, once.

The points are those of a run without faults, counted first; a fault that does not fire fails the test. Without DEEP each call
fails in two of the ways, which take turns.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from metering.invoicing.models import Invoice
from tests.kit.depth import some
from tests.kit.stripe_server import WAYS_TO_FAIL, StripeServer
from tests.payments.collecting.crash import Process, undone
from tests.payments.collecting.stories import STORIES, Story, World
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
# What only reads has done nothing, whether its answer is lost or was never given.
WAYS = {"POST": WAYS_TO_FAIL, "GET": ("die_before", "error_500_before")}


@pytest.fixture
def world(stripe: StripeServer, acme: Workspace, invoice: Invoice, settings: Any, monkeypatch: Any) -> World:
    settings.STRIPE_TIMEOUT_SECONDS = 0.25
    monkeypatch.setattr("tests.kit.stripe_server.TOO_LATE_SECONDS", 0.4)
    return World(stripe, acme, invoice)


def tell(
    story: Story, world: World, monkeypatch: Any, fault: tuple[int, str] | None = None, death: tuple[str, int] = ("", 0)
) -> list[str]:
    """The story from its beginning to its end, checked, and taken back again; the HTTP method of each call."""
    world.stripe.forget()
    with undone(), naming(f"{fault or death}"):
        story.prepare(world)
        world.process = Process(at=death)
        before = len(world.stripe.requests)
        if fault is not None:
            world.stripe.fail_at(*fault)
        with world.process.running(monkeypatch):
            story.tell(world)
        story.check(world)
        assert (world.stripe.faults, world.process.died) == ({}, bool(death[1])), "it did not fire"
        return [each.method for each in world.stripe.requests[before:]]


@pytest.mark.parametrize("story", STORIES)
def test_stripe_fails_at_every_call(story: type[Story], world: World, monkeypatch: Any, record_property: Any) -> None:
    calls = tell(story(), world, monkeypatch)
    turn = STORIES.index(story)
    points = [(number, how) for number, method in enumerate(calls, 1) for how in some(WAYS[method], turn + 2 * number, 2)]
    for fault in points:
        tell(story(), world, monkeypatch, fault=fault)
    record_property("points", len(points))


@pytest.mark.parametrize("story", STORIES)
def test_the_process_dies_at_every_call_and_commit(
    story: type[Story], world: World, monkeypatch: Any, record_property: Any
) -> None:
    calls = tell(story(), world, monkeypatch)
    commits = world.process.commits
    points = [(kind, number) for number in range(1, len(calls) + 1) for kind in ("before a call", "after a call")]
    points += [("after a commit", number) for number in range(1, commits + 1)]
    for death in points:
        tell(story(), world, monkeypatch, death=death)
    record_property("points", len(points))


def test_a_process_that_died_does_nothing_more(world: World, monkeypatch: Any) -> None:
    """The proof's own proof: what would make the tests above worth nothing."""
    with undone():
        world.process = Process(at=("after a commit", 1))
        with world.process.running(monkeypatch):
            world.act(two_commits, world.acme)
            assert (world.process.commits, world.process.died) == (1, True)
            assert Workspace.objects.get().name == "first"
            world.act(two_commits, world.acme)
            assert (world.process.commits, Workspace.objects.get().name) == (3, "second")
    assert Workspace.objects.get().name == "Acme"


def two_commits(workspace: Workspace) -> None:
    """The second is tried whatever happens, as by a `finally`."""
    try:
        Workspace.objects.filter(pk=workspace.pk).update(name="first")
    finally:
        Workspace.objects.filter(pk=workspace.pk).update(name="second")


@contextmanager
def naming(point: str) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{point}: {error}") from error
