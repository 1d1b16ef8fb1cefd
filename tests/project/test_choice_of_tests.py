"""Which tests `make check` leaves out, how far searches go without DEEP, and which tests share a process."""

from collections import Counter
from importlib import import_module

import pytest

from tests.kit import depth, groups, needs
from tests.project.layers import ROOT


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


@pytest.mark.parametrize(("callers", "at_one"), [(23, 5), (11, 3)])
def test_without_deep_every_caller_comes_as_often_as_every_other(
    monkeypatch: pytest.MonkeyPatch, callers: int, at_one: int
) -> None:
    monkeypatch.setattr(depth, "DEEP", 0)
    asked = Counter(each for at in range(callers) for each in depth.some(range(callers), at * at_one, at_one))
    assert asked == dict.fromkeys(range(callers), at_one)


def test_tests_of_one_product_or_one_walk_share_a_process_and_others_only_with_their_file() -> None:
    assert groups.group_of("tests/chaos/test_kills.py::test_a") == groups.group_of("tests/chaos/test_orders.py::test_b[1]")
    assert groups.group_of("tests/chaos/test_rabbitmq.py::test_a") == "tests/chaos on RabbitMQ"
    assert groups.group_of("tests/chaos/test_celery_intake_on_rabbitmq.py::test_a") == "tests/chaos on RabbitMQ"
    assert groups.group_of("tests/front/test_half_sent.py::test_a[/a::b]") == "tests/front"
    assert groups.group_of("tests/fuzz/test_forms.py::test_a") == groups.group_of("tests/fuzz/test_shapes.py::test_b")
    assert groups.group_of("tests/gateways/test_rabbitmq.py::test_a") == "tests/gateways/test_rabbitmq.py"


def test_numbered_histories_are_shared_by_all_processes() -> None:
    walks = [groups.group_of(f"tests/bookkeeping/test_walks.py::test_a[{number}]") for number in range(2_000)]
    assert len(set(walks)) == 16
    assert (walks[3], walks[1_603]) == ("tests/bookkeeping/test_walks.py, part 3",) * 2
    assert groups.group_of("tests/gateways/test_rabbitmq.py::test_a[3]") == "tests/gateways/test_rabbitmq.py"


def test_every_file_of_histories_is_there() -> None:
    assert [file for file in groups.HISTORIES if not (ROOT / file).is_file()] == []


def test_with_deep_each_run_tells_other_histories_until_its_seed_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    def thrown(deep: int, run: int, number: int) -> float:
        monkeypatch.setattr(depth, "DEEP", deep)
        monkeypatch.setattr(pytestconfig.option, "randomly_seed", run, raising=False)
        return depth.dice(number, pytestconfig).random()

    assert thrown(0, run=1, number=3) == thrown(0, run=2, number=3)
    assert thrown(1, run=1, number=3) == thrown(1, run=1, number=3)
    assert len({thrown(1, run=1, number=3), thrown(1, run=2, number=3), thrown(1, run=1, number=4)}) == 3


def test_what_takes_long_begins_first_and_others_keep_their_order() -> None:
    shuffled = [
        *("tests/usage/test_b.py::test_b", "tests/front/test_z.py::test_z", "tests/chaos/test_rabbitmq.py::test_r"),
        *("integrations/litellm/tests/test_i.py::test_i", "tests/chaos/test_kills.py::test_k", "tests/usage/test_a.py::test_a"),
        *("tests/chaos/test_orders.py::test_o", "tests/front/test_y.py::test_y"),
    ]
    assert [each.partition("::")[2] for each in sorted(shuffled, key=groups.turn_of)] == [
        *("test_k", "test_o", "test_r"),
        *("test_z", "test_y"),
        *("test_b", "test_i", "test_a"),
    ]


def test_every_fixture_that_starts_a_product_for_a_folder_belongs_to_one_that_shares_a_process() -> None:
    for folder in groups.PRODUCTS:
        assert needs.starts_processes(import_module(f"{folder.replace('/', '.')}.conftest"))
