"""OpenRouter's list of models, as `GET /api/v1/models` answers: prices in USD for one token, as text."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from metering.catalogue.imports.cards import (
    Card,
    NotImported,
    Page,
    PriceEntry,
    PriceFile,
    RateReader,
    UnreadableFile,
    decimal_of,
    distinct_cards,
    read_json,
    whole_number,
)
from metering.catalogue.tiers import DEFAULT_TIER

COMPONENT_OF = {
    "prompt": "input",
    "completion": "output",
    "input_cache_read": "cached_input",
    "input_cache_write": "cache_write",
    "input_cache_write_1h": "cache_write_1h",
    "internal_reasoning": "reasoning",
    "audio": "audio_input",
    "input_audio_cache": "cached_audio_input",
    "audio_output": "audio_output",
    "image_token": "image_input",
    "image_output": "image_output",
    "request": "request",
    "web_search": "web_search",
}
# A list, and a share that is said beside the prices.
OVERRIDES, DISCOUNT = "overrides", "discount"
NOT_COUNTED = {"image": "images of the input are billed as tokens"}
THRESHOLD = "min_prompt_tokens"  # an override holds for requests of at least so many
BY_THE_CLOCK = frozenset({"utc_days", "utc_start", "utc_end"})


def read_openrouter(text: str, markup: Decimal) -> PriceFile:
    """Raises UnreadableFile."""
    document = read_json(text)
    models = document.get("data") if isinstance(document, dict) else None
    if not isinstance(models, list) or not all(isinstance(each, dict) and isinstance(each.get("id"), str) for each in models):
        raise UnreadableFile(
            "The file is not OpenRouter's list of models: an object with `data`, a list of models with an `id`."
        )
    read, seen = PriceFile([], {}), set()
    for model in models:
        slug = model["id"]
        try:
            if slug in seen:
                raise NotImported("It is in the file twice.")
            read.entries.append(_entry(model, markup))
        except NotImported as refused:
            read.refused[slug] = str(refused)
        seen.add(slug)
    return PriceFile([each for each in read.entries if each.model not in read.refused], read.refused)


def _entry(model: Mapping[str, Any], markup: Decimal) -> PriceEntry:
    pricing = model.get("pricing")
    if not isinstance(pricing, dict):
        raise NotImported("It has no price.")
    if pricing.get(DISCOUNT) and decimal_of(pricing[DISCOUNT], DISCOUNT):
        raise NotImported("It has a discount, and its prices do not say whether they are before or after it.")
    reader = RateReader(markup)
    base = _rates({name: value for name, value in pricing.items() if name not in (OVERRIDES, DISCOUNT)}, reader)
    missing = [name for name in ("prompt", "completion") if COMPONENT_OF[name] not in base]
    if missing:
        raise NotImported(f"It has no price for its {missing[0]}.")
    overrides = pricing.get(OVERRIDES) or []
    if not isinstance(overrides, list):
        raise NotImported(f"Its {OVERRIDES} are not a list.")
    cards = [Card(base), *(_override(each, base, reader) for each in overrides)]
    left_out = [f"{name}: {reason}." for name, reason in NOT_COUNTED.items() if decimal_of(pricing.get(name) or 0, name)]
    return PriceEntry(str(model["id"]), distinct_cards(cards), _page(model), (*dict.fromkeys(reader.remarks), *left_out))


def _rates(pricing: Mapping[str, Any], reader: RateReader) -> dict[str, Decimal]:
    """A price of 0 beside others means that there is none of its own: it costs as what it is a part of does."""
    rates = {}
    for name, value in pricing.items():
        if value is None or name in NOT_COUNTED:
            continue
        if name not in COMPONENT_OF:
            raise NotImported(f"It has a price that is not known here: {name}.")
        amount = _amount(value, name)
        if amount or name in ("prompt", "completion"):
            rates[COMPONENT_OF[name]] = reader.rate(COMPONENT_OF[name], amount, name)
    return rates


def _amount(value: Any, name: str) -> Decimal:
    """OpenRouter writes -1 where the price is that of whichever model it chooses."""
    if str(value).startswith("-1"):
        raise NotImported("Its price is that of the model that it chooses for each request.")
    return decimal_of(value, name)


def _override(override: Any, base: Mapping[str, Decimal], reader: RateReader) -> Card:
    threshold = whole_number(override.get(THRESHOLD)) if isinstance(override, dict) else None
    if threshold is None or override.keys() & BY_THE_CLOCK:
        raise NotImported("It costs less or more at some hours of the day: set its price by hand.")
    rates = _rates({name: value for name, value in override.items() if name != THRESHOLD}, reader)
    return Card({**base, **rates}, DEFAULT_TIER, threshold - 1)


def _page(model: Mapping[str, Any]) -> Page:
    top = model.get("top_provider")
    top = top if isinstance(top, dict) else {}
    return Page(
        name=str(model.get("name") or "")[:200],
        provider=str(model["id"]).partition("/")[0][:100],
        context_window=whole_number(model.get("context_length")),
        max_output_tokens=whole_number(top.get("max_completion_tokens")),
    )
