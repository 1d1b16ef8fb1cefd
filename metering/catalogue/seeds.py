"""The gateway's own catalogue: the four models of its public pages, with their printed or publicly listed rates.

Loading adds what is missing and changes nothing that is there, so that an operator's edit always stands. A model that so
far was only seen in usage has nothing there yet but its name.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.db import transaction

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.components import COMPONENTS

# Before any event that is still accepted (400 days back), so that a first start prices whatever it is sent.
SEED_PRICES_FROM = datetime(2025, 1, 1, tzinfo=UTC)
REASONING = ["low", "medium", "high"]
TIERS = ["auto", "default", "priority"]


@dataclass(frozen=True)
class SeedModel:
    """One model of the public pages; rates by component, in USD per million tokens."""

    slug: str
    name: str
    description: str
    provider: str
    endpoint_type: str
    context_window: int
    max_output_tokens: int
    reasoning_efforts: list[str]
    service_tiers: list[str]
    attachments: bool
    request_fields: list[str]
    rates: dict[str, str]
    streaming: bool = True


PLAIN_FIELDS = ["temperature", "top_p", "stop", "response_format", "tools", "tool_choice"]
REASONING_FIELDS = [*PLAIN_FIELDS, "reasoning_effort", "show_thinking", "attachments", "service_tier"]

# Rates: codex-mini as printed on its page, the others from public price lists (azure o1-preview, computer-use-preview and
# grok-3). Context windows and output limits that a page leaves out come from the same lists.
SEED_MODELS = [
    SeedModel(
        slug="codex-mini",
        name="Codex Mini",
        description="Codex Mini for text generation, reasoning, tool calling, and live streaming responses.",
        provider="azure-openai",
        endpoint_type="azure_openai_v1_chat",
        context_window=200_000,
        max_output_tokens=100_000,
        reasoning_efforts=REASONING,
        service_tiers=TIERS,
        attachments=True,
        request_fields=REASONING_FIELDS,
        rates={"input": "1.5", "cached_input": "0.375", "output": "6"},
    ),
    SeedModel(
        slug="o1-preview",
        name="o1 Preview",
        description="o1 Preview for text generation, reasoning, tool calling, and streaming responses.",
        provider="azure-openai",
        endpoint_type="azure_openai_v1_chat",
        context_window=128_000,
        max_output_tokens=32_768,
        reasoning_efforts=REASONING,
        service_tiers=TIERS,
        attachments=True,
        request_fields=REASONING_FIELDS,
        rates={"input": "15", "cached_input": "7.5", "output": "60"},
        streaming=False,  # its page sends "stream": false and has no streaming note
    ),
    SeedModel(
        slug="computer-use-preview",
        name="Computer Use Preview",
        description=("Computer Use Preview for text generation, reasoning, tool calling, and live streaming responses."),
        provider="azure-openai",
        endpoint_type="azure_openai_v1_chat",
        context_window=8_192,
        max_output_tokens=1_024,
        reasoning_efforts=[],
        service_tiers=[],
        attachments=False,
        request_fields=PLAIN_FIELDS,
        rates={"input": "3", "output": "12"},
    ),
    SeedModel(
        slug="grok-3",
        name="Grok 3",
        description="Grok 3 for text generation, tool calling, and live streaming responses.",
        provider="azure-ai",
        endpoint_type="azure_ai_chat",
        context_window=131_072,
        max_output_tokens=131_072,
        reasoning_efforts=[],
        service_tiers=[],
        attachments=False,
        request_fields=PLAIN_FIELDS,
        rates={"input": "3", "output": "15"},
    ),
]


@transaction.atomic
def load_catalogue() -> dict[str, int]:
    """Adds the seed models and their prices where they are missing; returns how many of each it added."""
    models = prices = 0
    for seed in SEED_MODELS:
        model, created = LanguageModel.objects.get_or_create(slug=seed.slug, defaults=_page(seed))
        models += created or _fill_in(model, seed)
        # A model that a person has priced, whenever and however, is theirs; an alias costs what its model costs.
        if model.alias_of_id is None and not model.prices.exists():
            _, created = PriceVersion.objects.get_or_create(
                model=model,
                service_tier="default",
                workspace=None,
                above_input_tokens=0,
                effective_from=SEED_PRICES_FROM,
                defaults=_rates(seed),
            )
            prices += created
    return {"models": models, "prices": prices}


def _fill_in(model: LanguageModel, seed: SeedModel) -> int:
    """Lists a model that was only discovered; how many that changed."""
    discovered = LanguageModel.objects.filter(pk=model.pk, status=LanguageModel.Status.DISCOVERED)
    return discovered.update(**_page(seed), status=LanguageModel.Status.LISTED)


def _page(seed: SeedModel) -> dict[str, object]:
    return {
        "name": seed.name,
        "description": seed.description,
        "provider": seed.provider,
        "endpoint_type": seed.endpoint_type,
        "context_window": seed.context_window,
        "max_output_tokens": seed.max_output_tokens,
        "streaming": seed.streaming,
        "tools": True,
        "attachments": seed.attachments,
        "reasoning_efforts": seed.reasoning_efforts,
        "service_tiers": seed.service_tiers,
        "request_fields": seed.request_fields,
    }


def _rates(seed: SeedModel) -> dict[str, object]:
    return {each.rate: Decimal(seed.rates[each.name]) for each in COMPONENTS if each.name in seed.rates}
