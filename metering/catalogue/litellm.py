"""The catalogue as LiteLLM's `model_list`: our names, each on its provider's own API."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from metering.catalogue.models import LanguageModel


class LiteLLMProvider(NamedTuple):
    """LiteLLM's name of a provider, and its parameters by the variables of the environment that hold them."""

    name: str
    parameters: Mapping[str, str]


PROVIDERS = {
    "anthropic": LiteLLMProvider("anthropic", {"api_key": "ANTHROPIC_API_KEY"}),
    "azure-openai": LiteLLMProvider("azure", {"api_key": "AZURE_API_KEY", "api_base": "AZURE_API_BASE"}),
    "google": LiteLLMProvider("gemini", {"api_key": "GEMINI_API_KEY"}),
    "google-vertex": LiteLLMProvider(
        "vertex_ai", {"vertex_project": "VERTEXAI_PROJECT", "vertex_location": "VERTEXAI_LOCATION"}
    ),
    "mistral": LiteLLMProvider("mistral", {"api_key": "MISTRAL_API_KEY"}),
    "openai": LiteLLMProvider("openai", {"api_key": "OPENAI_API_KEY"}),
    "xai": LiteLLMProvider("xai", {"api_key": "XAI_API_KEY"}),
}


def litellm_models(echo: str | None, have: Collection[str]) -> list[dict[str, Any]]:
    """Every model of the catalogue; those that were only seen in usage are none of ours.

    With the address of an echo: the models whose provider's variables are among those that we `have`, or, where there are none
    such, all of them on the echo.
    """
    models = LanguageModel.objects.exclude(status=LanguageModel.Status.DISCOVERED).select_related("alias_of")
    entries = [_entry(model) for model in models]
    if echo is None:
        return entries
    called = [entry for entry in entries if _keys(entry) and all(name in have for name in _keys(entry))]
    return called or [_on_echo(entry, echo) for entry in entries]


def _entry(model: LanguageModel) -> dict[str, Any]:
    served = model.alias_of or model
    provider = PROVIDERS.get(served.provider) or LiteLLMProvider(served.provider or "openai", {})
    parameters = {name: f"os.environ/{variable}" for name, variable in provider.parameters.items()}
    return {"model_name": model.slug, "litellm_params": {"model": f"{provider.name}/{served.slug}", **parameters}}


def _keys(entry: dict[str, Any]) -> list[str]:
    stated = [value for value in entry["litellm_params"].values() if value.startswith("os.environ/")]
    return [value.removeprefix("os.environ/") for value in stated]


def _on_echo(entry: dict[str, Any], echo: str) -> dict[str, Any]:
    provider, _, slug = entry["litellm_params"]["model"].partition("/")
    shape, base = ("anthropic", echo) if provider == "anthropic" else ("openai", f"{echo}/v1")
    return {**entry, "litellm_params": {"model": f"{shape}/{slug}", "api_base": base, "api_key": "echo"}}
