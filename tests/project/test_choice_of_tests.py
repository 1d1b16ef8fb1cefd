"""Which tests `make check` leaves out, and how far searches go without DEEP."""

from importlib import import_module

import pytest

from tests.kit import depth, needs


def test_one_that_uses_no_server_is_checked(request: pytest.FixtureRequest) -> None:
    assert not needs.server(request.node)


@pytest.mark.django_db
def test_one_with_the_mark_of_a_database_is_left_out(request: pytest.FixtureRequest) -> None:
    assert needs.server(request.node)


def test_one_whose_fixture_needs_a_database_is_left_out(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request.node, "fixturenames", [*request.node.fixturenames, "transactional_db"])
    assert needs.server(request.node)


@pytest.mark.parametrize(
    ("module", "starts"),
    [
        ("tests.front.conftest", True),  # a whole product
        ("tests.doctor.test_doctor", True),  # a command
        ("tests.embedded.test_postgres", True),
        ("tests.project.test_periods", False),
        ("tests.conftest", False),
    ],
)
def test_a_module_that_starts_processes_is_known_by_its_imports(module: str, starts: bool) -> None:
    assert needs.starts_processes(import_module(module)) is starts


def test_without_deep_choices_take_turns_and_with_it_all_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth, "DEEP", 0)
    assert [list(depth.some("abc", turn)) for turn in range(4)] == [["a"], ["b"], ["c"], ["a"]]
    assert list(depth.some("abc", 2, usual=2)) == ["c", "a"]
    assert (depth.examples(6, 60), depth.search(6, 60).max_examples, depth.search(6, 60).derandomize) == (6, 6, True)
    monkeypatch.setattr(depth, "DEEP", 2)
    assert list(depth.some("abc", 1)) == ["a", "b", "c"]
    assert (depth.examples(6, 60), depth.share(), depth.search(6, 60).derandomize) == (120, 10, False)
