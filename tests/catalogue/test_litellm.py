"""The catalogue as LiteLLM reads it."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from metering.catalogue.models import LanguageModel

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _catalogue(db: None) -> None:
    LanguageModel.objects.all().delete()
    codex = LanguageModel.objects.create(slug="codex-mini", provider="azure-openai")
    LanguageModel.objects.create(slug="codex", alias_of=codex)
    LanguageModel.objects.create(slug="claude-opus", provider="anthropic")
    LanguageModel.objects.create(slug="seen-once", status=LanguageModel.Status.DISCOVERED)


def printed(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("litellm_config", *arguments, stdout=out)
    found = json.loads(out.getvalue())["model_list"]
    return {entry["model_name"]: entry["litellm_params"] for entry in found}


AZURE = {"model": "azure/codex-mini", "api_key": "os.environ/AZURE_API_KEY", "api_base": "os.environ/AZURE_API_BASE"}


def test_every_model_is_on_its_provider_and_an_alias_on_that_of_its_model() -> None:
    assert printed() == {
        "codex-mini": AZURE,
        "codex": AZURE,
        "claude-opus": {"model": "anthropic/claude-opus", "api_key": "os.environ/ANTHROPIC_API_KEY"},
    }


def test_without_keys_of_providers_all_are_on_the_echo_in_the_shape_of_their_provider() -> None:
    openai = {"model": "openai/codex-mini", "api_base": "http://127.0.0.1:1/v1", "api_key": "echo"}
    assert printed("--echo=http://127.0.0.1:1", "--have=AZURE_API_KEY") == {
        "codex-mini": openai,
        "codex": openai,
        "claude-opus": {"model": "anthropic/claude-opus", "api_base": "http://127.0.0.1:1", "api_key": "echo"},
    }


def test_with_the_keys_of_a_provider_its_models_are_called_and_no_other_pretends() -> None:
    arguments = ("--echo=http://127.0.0.1:1", "--have=AZURE_API_KEY", "--have=AZURE_API_BASE")
    assert printed(*arguments) == {"codex-mini": AZURE, "codex": AZURE}
