"""LiteLLM's price map, `model_prices_and_context_window_backup.json` of its package: a model by name, its prices by field.

A tier of service and a long request have rates of their own for what their fields name, and the others' for the rest, as
LiteLLM works it out.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from metering.catalogue.imports.cards import (
    MOST_TOKENS,
    REPEATED,
    Card,
    NotImported,
    Page,
    PriceEntry,
    PriceFile,
    RateReader,
    Repeated,
    UnreadableFile,
    decimal_of,
    distinct_cards,
    read_json,
    whole_number,
)
from metering.catalogue.imports.litellm_fields import (
    BILLED_AS_TOKENS,
    BY_MODE,
    COMPONENT_OF,
    IMAGE_SIZE,
    NO_MONEY,
    NOT_COUNTED,
    REFUSED,
    RESOLUTION,
    SOUNDS_LIKE_MONEY,
    THRESHOLD,
    TIER_OF,
    TIERED,
    WEB_SEARCH,
    WEB_SEARCH_SIZES,
)
from metering.catalogue.imports.litellm_images import sized_image
from metering.catalogue.providers.models import LONGEST_PROVIDER
from metering.catalogue.tiers import DEFAULT_TIER
from metering.money import WIDE

# Entries that are about no model.
EXPLANATIONS = frozenset({"sample_spec", "fallback_generalizations"})
# Whose responses have no tokens of an output; everything else that is priced by tokens needs a rate for them.
WITHOUT_OUTPUT = frozenset({"embedding", "rerank", "moderation", "image_generation", "image_edit", "audio_transcription"})
# What a response may be billed by instead of its tokens.
WITHOUT_TOKENS = frozenset(
    ("image", "audio_duration", "video_duration", "character", "page", "search_unit", "request", "code_interpreter_session")
)
# Bills the higher rate from the threshold on, where others do above it.
FROM_THE_THRESHOLD_ON = frozenset({"xai"})
FAMILIES = {"bedrock_converse": "bedrock", "fireworks_ai-embedding-models": "fireworks_ai"}
BATCH = "batch"
PIXELS = re.compile(r"(?:^|/)(\d{2,5})-?x-?(\d{2,5})/")


class CardPlace(NamedTuple):
    """Which card a rate belongs to."""

    tier: str
    above: int


BASE = CardPlace(DEFAULT_TIER, 0)


def read_litellm(text: str, markup: Decimal) -> PriceFile:
    """Raises UnreadableFile."""
    document = read_json(text)
    if not isinstance(document, dict) or not all(isinstance(each, dict | Repeated) for each in document.values()):
        raise UnreadableFile("The file is not LiteLLM's price map: an object of models by name.")
    read, images = PriceFile([], {}), _Images(markup)
    for model, fields in document.items():
        if model in EXPLANATIONS or images.keep(model, fields):
            continue
        try:
            if fields is REPEATED:
                raise NotImported("It is in the file twice.")
            read.entries.append(_Model(model, fields, markup).entry())
        except NotImported as refused:
            read.refused[model] = str(refused)
    images.add_to(read)
    return read


class _Images:
    """Entries that are one quality and size of a model's images, until the models are read."""

    def __init__(self, markup: Decimal) -> None:
        self._markup = markup
        self._entries: dict[str, dict[str, tuple[str, Any]]] = {}

    def keep(self, name: str, fields: Any) -> bool:
        """Whether the entry is one of them."""
        provider = fields.get("litellm_provider") if isinstance(fields, dict) else None
        image = sized_image(name, str(provider or ""))
        if image is not None:
            self._entries.setdefault(image.model, {})[name] = image.component, fields
        return image is not None

    def add_to(self, read: PriceFile) -> None:
        """As rates of their models, which the file may have entries of or not."""
        at = {entry.model: place for place, entry in enumerate(read.entries)}
        refused = []
        for model in [each for each in self._entries if each not in read.refused]:
            try:
                if model in at:
                    read.entries[at[model]] = self._with_images(read.entries[at[model]])
                else:
                    read.entries.append(self._model(model))
            except NotImported as reason:
                read.refused[model] = str(reason)
                refused.append(model)
        read.entries[:] = [entry for entry in read.entries if entry.model not in refused]

    def _with_images(self, entry: PriceEntry) -> PriceEntry:
        """A model whose images are billed by tokens has no rate of an image beside them."""
        if any(card.rates.get("image_output") or card.rates["output"] for card in entry.cards):
            names = ", ".join(sorted(self._entries[entry.model]))
            return replace(entry, remarks=(*entry.remarks, f"{names}: what it answers with is billed by its tokens."))
        rates, _, remarks = self._read(entry.model)
        cards = tuple(replace(card, rates={**card.rates, **rates}) for card in entry.cards)
        return replace(entry, cards=cards, remarks=(*entry.remarks, *remarks))

    def _model(self, model: str) -> PriceEntry:
        rates, page, remarks = self._read(model)
        return PriceEntry(model, (Card({"input": Decimal(0), "output": Decimal(0)} | rates),), page, remarks)

    def _read(self, model: str) -> tuple[dict[str, Decimal], Page, tuple[str, ...]]:
        """Rates by component, what the entries say of the model, and remarks. Raises NotImported, naming the entry."""
        rates: dict[str, Decimal] = {}
        remarks: list[str] = []
        for name, (component, fields) in self._entries[model].items():
            try:
                entry = _Model(name, {} if fields is REPEATED else fields, self._markup).entry()
                (card,) = entry.cards
                if set(card.rates) != {"input", "output", "image"} or card.rates["input"] or card.rates["output"]:
                    raise NotImported("It has another price besides the one for an image.")
                if rates.setdefault(component, card.rates["image"]) != card.rates["image"]:
                    raise NotImported(f"Another entry has a different price for {component}.")
            except (NotImported, ValueError) as refused:
                raise NotImported(f"{name}: {refused}") from None
            remarks += (f"{name}: {remark}" for remark in entry.remarks)
        return rates, entry.page, tuple(remarks)


class _Model:
    """One entry, while it is read."""

    def __init__(self, model: str, fields: Mapping[str, Any], markup: Decimal) -> None:
        self.model = model
        self.fields = {name: value for name, value in fields.items() if value is not None}
        self.mode = str(self.fields.get("mode", ""))
        self.reader = RateReader(markup)
        self.left_out: dict[str, str] = {}
        self.rates: dict[CardPlace, dict[str, Decimal]] = {}

    def entry(self) -> PriceEntry:
        for name, value in self.fields.items():
            self._read(name, value)
        if TIERED in self.fields:
            self._read_tiered(self.fields[TIERED])
        self._leave_out_what_tokens_say()
        if not self.rates:
            named = ", ".join(self.left_out)
            raise NotImported(f"It has no price for what its usage counts, only {named}." if named else "It has no price.")
        cards = distinct_cards(Card(self._complete(place), *place) for place in self._places())
        return PriceEntry(self.model, cards, self._page(), self._remarks())

    def _read(self, name: str, value: Any) -> None:
        if name == WEB_SEARCH:
            return self._read_web_search(value)
        if name == TIERED:
            return None
        base, place = placed(name)
        if base in REFUSED:
            raise NotImported(f"{REFUSED[base].capitalize()} ({name}).")
        component = self._component(base)
        if component is not None:
            amount = decimal_of(value, name)
            self._put(self._own_place(place), component, amount, name)
        elif base in ("input_cost_per_pixel", "output_cost_per_pixel"):
            self._read_pixels(name, decimal_of(value, name))
        elif base in NOT_COUNTED:
            self.left_out[name] = NOT_COUNTED[base]
        elif SOUNDS_LIKE_MONEY.search(name) and name not in NO_MONEY:
            raise NotImported(f"It has a price that is not known here: {name}.")
        return None

    def _component(self, base: str) -> str | None:
        if base == "input_cost_per_image" and "output_cost_per_image" in self.fields:
            return None
        if base in BY_MODE:
            return BY_MODE[base].get(self.mode)
        if match := RESOLUTION.fullmatch(base):
            return f"video_duration/{match[1].lower()}"
        if match := IMAGE_SIZE.fullmatch(base):
            return f"image/{match[1].lower()}"
        return COMPONENT_OF.get(base)

    def _own_place(self, place: CardPlace) -> CardPlace:
        """Its thresholds are ours but for those who bill the higher rate one token earlier."""
        inclusive = str(self.fields.get("litellm_provider")) in FROM_THE_THRESHOLD_ON
        return CardPlace(place.tier, place.above - 1) if inclusive and place.above else place

    def _put(self, place: CardPlace, component: str, usd: Decimal, source: str) -> None:
        """Two fields of one component agree, or 0 gives way: LiteLLM bills the one that is more than nothing."""
        rates = self.rates.setdefault(place, {})
        rate = self.reader.rate(component, usd, source)
        if rates.get(component) and rate and rates[component] != rate:
            raise NotImported(f"It has two prices for {component}: {source} is the second.")
        rates[component] = rate or rates.get(component, rate)

    def _read_pixels(self, name: str, usd: Decimal) -> None:
        if not usd or "input_cost_per_image" in self.fields:
            return
        size = PIXELS.search(self.model)
        if size is None:
            raise NotImported(f"It is priced by the pixel ({name}), and its name does not say how many pixels an image has.")
        self._put(BASE, "image", WIDE.multiply(usd, Decimal(int(size[1]) * int(size[2]))), name)

    def _read_web_search(self, by_size: Any) -> None:
        if not isinstance(by_size, dict) or not by_size.keys() <= set(WEB_SEARCH_SIZES.values()):
            raise NotImported(f"{WEB_SEARCH} is not a price by context size.")
        amounts = {size: decimal_of(by_size[key], key) for size, key in WEB_SEARCH_SIZES.items() if key in by_size}
        usual = amounts.get("medium", max(amounts.values(), default=None))
        if usual is None:
            return
        self._put(BASE, "web_search", usual, WEB_SEARCH)
        for size, amount in amounts.items():
            if amount != usual:
                self._put(BASE, f"web_search/{size}", amount, WEB_SEARCH)

    def _read_tiered(self, steps: Any) -> None:
        """The whole request costs the rates of the step that its input falls into; the last has no end.

        A step says all: what it has no rate for costs as its input or its output does, whatever other fields say.
        """
        if not isinstance(steps, list) or not all(isinstance(step, dict) and _is_range(step.get("range")) for step in steps):
            raise NotImported("Its tiered_pricing is not by input length.")
        names = {name for step in steps for name in step} - {"range"} | {"cache_read_input_token_cost"} & self.fields.keys()
        for name in ("input_cost_per_token", "output_cost_per_token", *names):
            self.rates.get(BASE, {}).pop(COMPONENT_OF.get(name, ""), None)
        for step in steps:
            place = CardPlace(DEFAULT_TIER, int(step["range"][0]))
            for name in names:
                value = step.get(
                    name, step.get("output_cost_per_token" if name.startswith("output") else "input_cost_per_token")
                )
                component = COMPONENT_OF.get(name)
                if component is None or value is None:
                    raise NotImported(f"Its tiered_pricing has a price that is not known here: {name}.")
                self._put(place, component, decimal_of(value, name), name)

    def _leave_out_what_tokens_say(self) -> None:
        base = self.rates.get(BASE, {})
        for component, tokens in BILLED_AS_TOKENS.items():
            if tokens in base and component in base:
                del base[component]
                self.left_out[component] = f"what it answers with is billed by {tokens.replace('_', ' ')} tokens"

    def _places(self) -> list[CardPlace]:
        return sorted({BASE, *self.rates, *(CardPlace(place.tier, 0) for place in self.rates), *self._long_of_tiers()})

    def _long_of_tiers(self) -> Iterable[CardPlace]:
        """A long request costs more in every tier, whether or not the tier has a rate for it; but in batches."""
        tiers = {place.tier for place in self.rates} - {DEFAULT_TIER, BATCH}
        return (CardPlace(tier, place.above) for tier in tiers for place in self.rates if place.tier == DEFAULT_TIER)

    def _complete(self, place: CardPlace) -> dict[str, Decimal]:
        """The card with what it takes from those below it: of its tier, and of the default tier.

        What a long request costs in the default tier comes before what a short one costs in this tier, but in batches.
        """
        lower = sorted({each.above for each in self.rates if each.above <= place.above})
        tiers = [DEFAULT_TIER] if place.tier == DEFAULT_TIER else [DEFAULT_TIER, place.tier]
        order = [(tier, above) for above in lower for tier in tiers]
        if place.tier == BATCH:
            order.sort(key=lambda each: each[0] == BATCH)
        rates: dict[str, Decimal] = {}
        for tier, above in order:
            own = self.rates.get(CardPlace(tier, above), {})
            if tier != DEFAULT_TIER and "output" in own and "reasoning" not in own:
                rates.pop("reasoning", None)
            rates |= own
        return self._with_tokens(rates)

    def _with_tokens(self, rates: dict[str, Decimal]) -> dict[str, Decimal]:
        """Every card has a rate of input and of output: 0 where a response is billed by something else."""
        if not rates.get("output") and rates.get("image_output"):
            rates["output"] = rates["image_output"]  # all that it answers with are images
        by_something_else = any(name.partition("/")[0] in WITHOUT_TOKENS for name in rates)
        if "input" not in rates and (rates.get("output") or not by_something_else):
            raise NotImported("It has no rate for input tokens.")
        if "output" not in rates and self.mode not in WITHOUT_OUTPUT and not by_something_else:
            raise NotImported("It has no rate for output tokens.")
        return {"input": Decimal(0), "output": Decimal(0)} | rates

    def _page(self) -> Page:
        fields = self.fields
        return Page(
            provider=provider_name(str(fields.get("litellm_provider", ""))),
            endpoint_type=self.mode[:100],
            context_window=whole_number(fields.get("max_input_tokens", fields.get("max_tokens"))),
            max_output_tokens=whole_number(fields.get("max_output_tokens")),
        )

    def _remarks(self) -> tuple[str, ...]:
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.left_out.items():
            by_reason.setdefault(reason, []).append(name)
        left_out = (f"{', '.join(names)}: {reason}." for reason, names in by_reason.items())
        return (*dict.fromkeys(self.reader.remarks), *left_out)


def provider_name(name: str) -> str:
    """As calls through LiteLLM name it: the map names families of some providers' models."""
    return "vertex_ai" if name.startswith("vertex_ai-") else FAMILIES.get(name, name)[:LONGEST_PROVIDER]


def placed(name: str) -> tuple[str, CardPlace]:
    """A field's name without its endings, and the card that they speak of."""
    tier, above = DEFAULT_TIER, 0
    for ending, named in TIER_OF.items():
        if name.endswith(ending):
            name, tier = name.removesuffix(ending), named
    if match := THRESHOLD.search(name):
        above = int(match[1]) * (1000 if match[2] else 1)
        name = name[: match.start()] + name[match.end() :]
        for ending, named in TIER_OF.items():  # some have the tier before the threshold
            if name.endswith(ending):
                name, tier = name.removesuffix(ending), named
    return name, CardPlace(tier, above)


def _is_range(value: Any) -> bool:
    bounds = value if isinstance(value, list) else []
    return len(bounds) == 2 and all(isinstance(each, int | Decimal) for each in bounds) and 0 <= bounds[0] < MOST_TOKENS
