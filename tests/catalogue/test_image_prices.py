"""What LiteLLM's price map says of images: by size and quality, by the pixel, or by their tokens."""

import json
from typing import Any

import pytest

from metering.catalogue.imports.cards import PriceFile
from metering.catalogue.imports.litellm import read_litellm
from tests.catalogue.readers import NONE, as_text, cards

DALLE = {"mode": "image_generation", "litellm_provider": "azure"}


def of_images(**entries: Any) -> PriceFile:
    return read_litellm(json.dumps(entries), NONE)


def test_sizes_and_qualities_of_images_are_components_of_one_model() -> None:
    read = of_images(
        **{
            "azure/hd/1024-x-1792/dall-e-3": {**DALLE, "input_cost_per_pixel": 5e-08, "output_cost_per_token": 0.0},
            "azure/standard/1024x1024/dall-e-3": {**DALLE, "output_cost_per_image": 0.04},
            "1024-x-1024/50-steps/bedrock/canvas": {**DALLE, "litellm_provider": "bedrock", "output_cost_per_image": 0.06},
            "max-x-max/max-steps/xl": {**DALLE, "litellm_provider": "bedrock", "output_cost_per_image": 0.07},
        }
    )
    assert read.refused == {}
    assert {entry.model: as_text(entry.cards[0]) for entry in read.entries} == {
        "azure/dall-e-3": {"input": "0", "output": "0", "image/hd/1024x1792": "0.0917504", "image/standard/1024x1024": "0.04"},
        "bedrock/canvas": {"input": "0", "output": "0", "image/1024x1024/50-steps": "0.06"},
        "xl": {"input": "0", "output": "0", "image/max/max-steps": "0.07"},
    }
    assert {entry.model: entry.page.provider for entry in read.entries}["azure/dall-e-3"] == "azure"


def test_an_entry_of_the_model_has_the_rates_of_its_sizes_beside_its_own() -> None:
    read = of_images(
        **{
            "low/1024-x-1024/m": {"mode": "image_generation", "output_cost_per_image": 0.01},
            "m": {"mode": "image_generation", "output_cost_per_image": 0.02},
        }
    )
    assert cards(read)[("default", 0)] == {"input": "0", "output": "0", "image": "0.02", "image/low/1024x1024": "0.01"}


def test_images_that_are_billed_by_their_tokens_have_no_rate_by_size_and_that_is_said() -> None:
    tokens = {"mode": "image_generation", "input_cost_per_token": 5e-06, "output_cost_per_image_token": 4e-05}
    read = of_images(**{"m": tokens, "low/1024-x-1024/m": {"mode": "image_generation", "input_cost_per_image": 0.011}})
    (entry,) = read.entries
    assert not [name for name in entry.cards[0].rates if name.startswith("image/")]
    assert entry.remarks[-1] == "low/1024-x-1024/m: what it answers with is billed by its tokens."


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"output_cost_per_image": 0.02}, "Another entry has a different price for image/low/1024x1024."),
        ({}, "It has no price."),
        ({"output_cost_per_image": 0.01, "input_cost_per_token": 1e-06}, "It has another price besides the one for an image."),
        ({"output_cost_per_image": 0.01, "strange_cost": 1}, "It has a price that is not known here: strange_cost."),
    ],
)
def test_a_size_that_cannot_be_read_refuses_its_model_and_is_named(other: dict[str, Any], said: str) -> None:
    good = {"mode": "image_generation", "output_cost_per_image": 0.01}
    read = of_images(**{"low/1024x1024/m": good, "low/1024-x-1024/m": {"mode": "image_generation"} | other, "n": good})
    assert read.refused == {"m": f"low/1024-x-1024/m: {said}"}
    assert [each.model for each in read.entries] == ["n"]
