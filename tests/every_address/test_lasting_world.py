"""The world of these tests is made once, and each finds it as it was made."""

import pytest
from django.db import connection

from tests.kit.world import World
from workspaces.models import APIKey, User, Workspace

SEEN: list[str] = []


@pytest.mark.parametrize("turn", [1, 2])
def test_what_a_test_does_to_the_world_is_gone_before_the_next(world: World, turn: int) -> None:
    assert Workspace.objects.filter(name="Acme").count() == 1
    assert APIKey.objects.filter(public_id=world.ids["<key>"], name="Server").exists()
    assert User.objects.get(email="owner@acme.example").check_password("a long enough password")
    Workspace.objects.update(name="Another")
    APIKey.objects.update(name="Renamed")
    User.objects.get(email="owner@acme.example").delete()


@pytest.mark.parametrize("turn", [1, 2])
def test_the_world_is_the_same_one_each_time(world: World, turn: int) -> None:
    SEEN.append(world.ids["<key>"])
    assert len(set(SEEN)) == 1


def test_no_other_connection_sees_it(world: World) -> None:
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM workspaces_workspace")
            assert cursor.fetchone() == (0,)
    finally:
        other.close()
