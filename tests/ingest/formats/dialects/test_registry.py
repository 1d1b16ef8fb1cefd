"""Each dialect states what it reads and what every number is, and each file of a dialect is in the list."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any, get_args

import msgspec
import pytest

from metering.components import LISTED, Component
from metering.ingest.formats import dialects
from metering.ingest.formats.dialects import DIALECT_NAMES, ProviderUsage
from metering.ingest.formats.dialects.registry import BY_PRECEDENCE, DIALECTS
from metering.ingest.formats.dialects.shape import Dialect

ONE_OF_EACH = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)


def paths(struct: Any, prefix: str = "") -> Iterator[str]:
    """Of every number that a struct reads; lists, which are read no further, have none."""
    for field in msgspec.structs.fields(struct):
        path = f"{prefix}{field.encode_name}"
        kinds = get_args(field.type)
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
        for kind in inner:
            yield from paths(kind, f"{path}.")
        if not inner and not any(kind is list or getattr(kind, "__origin__", None) is list for kind in kinds):
            yield path


def test_the_dialects_are_named_in_the_order_of_the_api() -> None:
    assert DIALECT_NAMES == ("openai.chat", "openai.responses", "anthropic", "gemini", "xai")


def test_every_file_of_a_dialect_is_listed() -> None:
    modules = [import_module(f"{dialects.__name__}.{found.name}") for found in pkgutil.iter_modules(dialects.__path__)]
    assert {module.DIALECT.name for module in modules if hasattr(module, "DIALECT")} == set(DIALECT_NAMES)


def test_the_more_particular_shape_is_asked_first() -> None:
    assert [each.name for each in BY_PRECEDENCE] == ["gemini", "xai", "openai.chat", "anthropic", "openai.responses"]


@ONE_OF_EACH
def test_every_number_that_a_dialect_reads_is_stated(dialect: Dialect) -> None:
    assert [path for path in paths(dialect.usage) if path not in dialect.leaves] == []


@ONE_OF_EACH
def test_every_number_that_a_dialect_counts_is_read(dialect: Dialect) -> None:
    read = set(paths(dialect.usage))
    counted = {path for path, meaning in dialect.leaves.items() if isinstance(meaning, Component)}
    assert counted - read == set()
    assert {dialect.leaves[path] for path in counted} <= set(LISTED)


def test_one_object_reads_the_numbers_of_all_dialects() -> None:
    assert set(paths(ProviderUsage)) == {path for dialect in DIALECTS for path in paths(dialect.usage)}
