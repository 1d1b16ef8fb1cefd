"""Each dialect states what every number is, and each file of a dialect is in the list."""

import pkgutil
from importlib import import_module

import pytest

from metering.components import LISTED, Component
from metering.ingest.formats import dialects
from metering.ingest.formats.dialects.registry import BY_PRECEDENCE, DIALECT_NAMES, DIALECTS
from metering.ingest.formats.dialects.shape import Dialect, Role

ONE_OF_EACH = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)


def test_the_dialects_are_named_in_the_order_of_the_api() -> None:
    assert (
        *("openai.chat", "openai.responses", "anthropic", "gemini", "xai"),
        *("openai.realtime", "openai.images", "openai.transcription", "openai.embeddings"),
        *("bedrock", "cohere", "deepseek", "groq", "mistral", "moonshot", "ollama", "openrouter", "perplexity", "qwen", "vllm"),
        "voyage",
    ) == DIALECT_NAMES


def test_every_file_of_a_dialect_is_listed() -> None:
    found = pkgutil.walk_packages(dialects.__path__, f"{dialects.__name__}.")
    modules = [import_module(module.name) for module in found if not module.ispkg]
    assert {module.DIALECT.name for module in modules if hasattr(module, "DIALECT")} == set(DIALECT_NAMES)


def test_the_more_particular_shape_is_asked_first() -> None:
    asked = [each.name for each in BY_PRECEDENCE]
    assert asked[-3:] == ["anthropic", "openai.responses", "voyage"]
    assert asked.index("gemini") < asked.index("xai") < asked.index("openai.chat") < asked.index("openai.responses")


@ONE_OF_EACH
def test_what_a_dialect_counts_is_a_component_of_the_list(dialect: Dialect) -> None:
    counted = {meaning for meaning in dialect.leaves.values() if isinstance(meaning, Component)}
    assert counted
    assert counted <= set(LISTED)


@ONE_OF_EACH
def test_a_dialect_knows_where_it_has_objects_and_lists(dialect: Dialect) -> None:
    for path, meaning in dialect.leaves.items():
        assert isinstance(meaning, Component | Role)
        above = path.rpartition(".")[0]
        assert not above or above.partition("[")[0] in dialect.objects | dialect.lists
