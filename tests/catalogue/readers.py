"""Files of prices as small as a test needs them, and what was read of them."""

import json
from decimal import Decimal
from typing import Any

from metering.catalogue.imports.cards import Card, PriceFile
from metering.catalogue.imports.litellm import read_litellm
from metering.catalogue.imports.openrouter import read_openrouter

NONE = Decimal(0)
CHAT = {"mode": "chat", "litellm_provider": "openai", "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05}


def litellm(markup: Decimal = NONE, **fields: Any) -> PriceFile:
    return read_litellm(json.dumps({"sample_spec": {"mode": "a"}, "m": fields}), markup)


def cards(read: PriceFile) -> dict[tuple[str, int], dict[str, str]]:
    """The only model's cards: rates as text, by tier and threshold."""
    assert read.refused == {}
    (entry,) = read.entries
    return {(card.service_tier, card.above_input_tokens): as_text(card) for card in entry.cards}


def as_text(card: Card) -> dict[str, str]:
    return {name: format(rate.normalize(), "f") for name, rate in card.rates.items()}


def reason(read: PriceFile) -> str:
    assert read.entries == []
    (said,) = read.refused.values()
    return said


def openrouter(**pricing: Any) -> PriceFile:
    return read_openrouter(json.dumps({"data": [{"id": "a/b", "name": "B", "context_length": 8192, "pricing": pricing}]}), NONE)
