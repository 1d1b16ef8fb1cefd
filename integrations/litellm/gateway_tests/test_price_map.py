"""Prices imported from LiteLLM's own map cost what LiteLLM says, wherever both know all components.

Where they differ it is said here, with who is right: the map is what a provider publishes, so an entry's own numbers are, and
LiteLLM's calculator passes some of them over.
"""

import json
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import litellm
import pytest
from litellm.types.utils import (
    CacheCreationTokenDetails,
    CompletionTokensDetailsWrapper,
    ImageObject,
    ImageResponse,
    ModelResponse,
    PromptTokensDetailsWrapper,
    Usage,
)
from world import REPOSITORY, World

sys.path.append(str(REPOSITORY))
from metering.breakdown import all_quantities, cost_of, pico_rates
from metering.catalogue.imports.litellm_images import SizedImage, sized_image
from metering.components import component_named, new_counts, other_counts

MAP = Path(litellm.__file__).parent / "model_prices_and_context_window_backup.json"
TEXT = {"chat", "completion", "responses", "embedding"}
IMAGES = {"image_generation", "image_edit"}
# Of all chat, embedding, image and audio entries.
IN_SCOPE = TEXT | IMAGES | {"audio_transcription", "audio_speech", "realtime"}
USAGES = 3  # of each card
# LiteLLM looks these tiers up by another way than by what was served.
OTHERWISE_BILLED = {"batch", "decisions"}

Rates = dict[str, Decimal]


@dataclass
class Compared:
    """How often both said the same, and of which entries they did not."""

    agreed: int = 0
    differ: set[tuple[str, str]] = field(default_factory=set)  # model, tier

    def note(self, model: str, tier: str, ours: float, theirs: float) -> None:
        # Theirs is a sum of binary floats.
        if abs(ours - theirs) <= 1e-9 * abs(theirs) + 1e-13:
            self.agreed += 1
        else:
            self.differ.add((model, tier))


@pytest.fixture(scope="module")
def imported(world: World) -> dict[str, Any]:
    """A dry run over the map, in a catalogue that has none of its prices but those of four models."""
    litellm.model_cost = json.loads(MAP.read_text())
    litellm.suppress_debug_info = True
    return world.manage("import_prices", str(MAP), "--format=litellm")


@pytest.fixture(scope="module")
def cards(imported: dict[str, Any]) -> dict[str, dict[str, dict[int, Rates]]]:
    """Of each model that is new: its rates by tier and threshold."""
    found: dict[str, dict[str, dict[int, Rates]]] = defaultdict(lambda: defaultdict(dict))
    changed = {price["model"] for price in imported["prices"] if price["change"] == "changed"}
    for price in imported["prices"]:
        if price["model"] not in changed:
            rates = {name: Decimal(rate["new"]) for name, rate in price["rates"].items()}
            found[price["model"]][price["service_tier"]][price["above_input_tokens"]] = rates
    return found


def priced_as(name: str) -> SizedImage | None:
    """Where an entry's price of an image is, unless it is a model of its own."""
    return sized_image(name, litellm.model_cost[name].get("litellm_provider", ""))


def cost(rates: Rates, quantities: dict[str, int] | None = None, **counts: int) -> float:
    """What our own arithmetic says, in USD."""
    own = {"cached_input": rates["input"], "cache_write": rates["input"]} | rates
    everything = all_quantities(new_counts(**{"input": 0, "output": 0} | counts), other_counts(quantities or {}))
    per_million = {name: component_named(name).per_million(rate) for name, rate in own.items()}
    pico = cost_of(everything, pico_rates(per_million))
    assert pico is not None
    return float(Decimal(pico).scaleb(-12))


def test_more_than_95_of_100_entries_of_the_map_import_and_the_rest_says_why(imported: dict[str, Any]) -> None:
    mode_of = {model: entry.get("mode") for model, entry in litellm.model_cost.items()}
    in_scope = {model for model, mode in mode_of.items() if mode in IN_SCOPE}
    refused = {each["model"]: each["reason"] for each in imported["refused"] if each["model"] in in_scope}
    assert len(refused) < 0.05 * len(in_scope), (len(refused), len(in_scope))
    sized = {name: image.model for name in mode_of if (image := priced_as(name))}
    models = (mode_of.keys() - sized.keys()) | set(sized.values())
    assert imported["new"] + imported["changed"] + imported["unchanged"] + len(imported["refused"]) == len(models) - 2
    assert len(sized) > 250
    assert {each["model"] for each in imported["refused"]} & set(sized.values()) == {"azure/dall-e-2"}, "it costs 0 there"
    without = [model for model, reason in refused.items() if reason == "It has no price."]
    for model in without:
        assert not [name for name in litellm.model_cost[model] if "cost" in name], model
    assert len(refused) - len(without) < 0.025 * len(in_scope)


def usages(rng: random.Random, above: int, rates: Rates, mode: str) -> Iterator[tuple[dict[str, int], dict[str, int], Usage]]:
    """Random counts, other components, and the same as LiteLLM has them: only what both know a rate of."""
    for kind in range(USAGES):
        prompt = above + rng.randint(1000, 5000) if above else rng.randint(100, 30_000)
        cached = rng.randint(0, prompt // 3) if kind and "cached_input" in rates else 0
        written = rng.randint(0, prompt // 3) if kind and "cache_write" in rates else 0
        for_an_hour = rng.randint(0, written) if kind == 2 and "cache_write_1h" in rates else 0
        audio = rng.randint(0, prompt // 4) if kind == 2 and "audio_input" in rates and not cached else 0
        output = 0 if mode == "embedding" else rng.randint(1, 3000)
        reasoning = rng.randint(0, output // 2) if kind else 0
        split = CacheCreationTokenDetails(
            ephemeral_5m_input_tokens=written - for_an_hour, ephemeral_1h_input_tokens=for_an_hour
        )
        details = PromptTokensDetailsWrapper(
            cached_tokens=cached,
            cache_creation_tokens=written,
            audio_tokens=audio or None,
            cache_creation_token_details=split if for_an_hour else None,
        )
        usage = Usage(
            prompt_tokens=prompt,
            completion_tokens=output,
            total_tokens=prompt + output,
            prompt_tokens_details=details,
            completion_tokens_details=CompletionTokensDetailsWrapper(reasoning_tokens=reasoning) if reasoning else None,
        )
        counts = {"input": prompt, "output": output, "cached_input": cached, "cache_write": written, "reasoning": reasoning}
        others = {"cache_write_1h": for_an_hour, "audio_input": audio}
        yield counts, {name: quantity for name, quantity in others.items() if quantity}, usage


def explained(model: str, tier: str) -> bool:
    """Where LiteLLM's calculator passes over what its own map says. Our cost is the map's."""
    entry = litellm.model_cost[model]
    match entry.get("litellm_provider"):
        case "perplexity":  # it has no cached rate, no threshold and no price for each request there
            own = ("cache_read_input_token_cost", "input_cost_per_request", "input_cost_per_token_above_272k_tokens")
            return any(name in entry for name in own) or model == "perplexity/perplexity/sonar"  # which it takes for another
        case "fireworks_ai":  # it has no tiers there
            return tier != "default"
        case "together_ai":  # it bills the class of the model's size, whatever the entry says
            return True
        case "gemini":  # it looks up another entry, that of the name with its provider
            return f"gemini/{model}" in litellm.model_cost
        case "openai" | "azure":  # it bills these images by tokens alone, whatever the entry says of an image
            return entry.get("mode") in IMAGES and "gpt-image" in model
    return False


def test_tokens_cost_what_litellm_says_of_every_imported_model_tier_and_threshold(
    cards: dict[str, dict[str, dict[int, Rates]]],
) -> None:
    rng, compared = random.Random("prices"), Compared()  # noqa: S311 - the same usages in every run
    for model, tiers in cards.items():
        entry = litellm.model_cost.get(model, {})
        if entry.get("mode") not in TEXT:
            continue
        for tier in tiers.keys() - OTHERWISE_BILLED:
            for above, rates in tiers[tier].items():
                for counts, others, usage in usages(rng, above, rates, entry["mode"]):
                    theirs = litellm.completion_cost(
                        completion_response=ModelResponse(model=model, usage=usage),
                        model=model,
                        custom_llm_provider=entry.get("litellm_provider"),
                        service_tier=None if tier == "default" else tier,
                        call_type="embedding" if entry["mode"] == "embedding" else "completion",
                    )
                    in_force = rates_above(tiers[tier], counts["input"])
                    compared.note(model, tier, cost(in_force, others, **counts), theirs)
    assert compared.agreed > 12_000
    assert {each for each in compared.differ if not explained(*each)} == set()


def rates_above(by_threshold: dict[int, Rates], tokens: int) -> Rates:
    return by_threshold[max(above for above in by_threshold if above == 0 or above < tokens)]


def image_cost(model: str, provider: str, number: int) -> float:
    response = ImageResponse(data=[ImageObject(url="of an image")] * number)
    mode = litellm.model_cost[model]["mode"]
    return litellm.completion_cost(
        completion_response=response, model=model, custom_llm_provider=provider, call_type=mode, n=number
    )


def transcription_cost(model: str, provider: str, seconds: int) -> float:
    return sum(
        litellm.cost_per_token(
            model=model,
            custom_llm_provider=provider,
            call_type="transcription",
            audio_transcription_file_duration=float(seconds),
        )
    )


def speech_cost(model: str, provider: str, characters: int) -> float:
    return sum(
        litellm.cost_per_token(model=model, custom_llm_provider=provider, call_type="speech", prompt_characters=characters)
    )


@pytest.mark.parametrize(
    ("modes", "component", "units", "theirs", "least"),
    [
        (IMAGES, "image", 1, image_cost, 250),
        ({"audio_transcription"}, "audio_duration", 1000, transcription_cost, 70),
        ({"audio_speech"}, "character", 1, speech_cost, 20),
    ],
)
def test_images_seconds_and_characters_cost_what_litellm_says(
    cards: dict[str, dict[str, dict[int, Rates]]],
    modes: set[str],
    component: str,
    units: int,
    theirs: Callable[[str, str, int], float],
    least: int,
) -> None:
    rng, compared = random.Random(component), Compared()  # noqa: S311 - the same numbers in every run
    for model, entry in litellm.model_cost.items():
        priced, what = priced_as(model) or (model, component)
        rates = cards[priced]["default"][0] if priced in cards else {}
        if entry.get("mode") not in modes or what not in rates or rates[what] != exact(entry, component):
            continue
        number = rng.randint(1, 5)
        try:
            said = theirs(model, entry.get("litellm_provider"), number)
        except Exception as unknown:
            if "isn't mapped yet" not in str(unknown):
                raise
            continue  # it makes another name of an image's size, and then does not know it
        compared.note(model, "default", cost(rates, {what: number * units}), said)
    assert compared.agreed > least
    assert {each for each in compared.differ if not explained(*each)} == set()


def exact(entry: dict[str, Any], component: str) -> Decimal:
    """The entry's price, as far as it was not rounded and is not worked out from pixels."""
    names = {
        "image": ("output_cost_per_image", "input_cost_per_image"),
        "audio_duration": ("output_cost_per_second", "input_cost_per_second"),
        "character": ("input_cost_per_character",),
    }[component]
    stated = next((entry[name] for name in names if entry.get(name)), 0)
    return Decimal(repr(stated)) * (1_000_000 if component == "character" else 1)
