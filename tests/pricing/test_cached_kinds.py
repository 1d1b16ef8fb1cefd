"""What cached audio and images cost, whichever rates a card has of input, cached input, the kind, and its cached part."""

import json
from decimal import Decimal
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from metering.catalogue.models import PriceVersion
from metering.catalogue.providers.set_provider_price import set_provider_price
from metering.catalogue.set_price import set_factor, set_price
from metering.ingest.models import UsageEvent
from tests.kit.factories import LONG_AGO, NOW, an_event, send
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db

# 100 text, 40 of it cached; 1,000 audio, 700 of it cached; 50 images, 20 of it cached; nothing comes out.
USAGE = {
    "input_tokens": 1150,
    "output_tokens": 0,
    "total_tokens": 1150,
    "input_token_details": {
        "text_tokens": 100,
        "audio_tokens": 1000,
        "image_tokens": 50,
        "cached_tokens": 760,
        "cached_tokens_details": {"text_tokens": 40, "audio_tokens": 700, "image_tokens": 20},
    },
}
INPUT = Decimal(4)
SOME_OR_NONE = [None, Decimal(0), Decimal("0.4")]


def cost_of(cached: Decimal | None, audio: list[Decimal | None], image: list[Decimal | None]) -> Decimal:
    """In words of their own: what is cached costs its own rate, or that of cached input, or what it costs uncached."""
    text = 60 * INPUT + 40 * (INPUT if cached is None else cached)
    return (text + kind(300, 700, cached, *audio) + kind(30, 20, cached, *image)) / 1_000_000


def kind(fresh: int, kept: int, cached: Decimal | None, own: Decimal | None, own_cached: Decimal | None) -> Decimal:
    uncached = INPUT if own is None else own
    if own_cached is None:
        own_cached = uncached if cached is None else cached
    return fresh * uncached + kept * own_cached


@pytest.mark.parametrize(
    ("cached", "audio", "cached_audio", "image", "cached_image"),
    [
        *product(SOME_OR_NONE, [None, Decimal(0), Decimal(32)], [None, Decimal(0), Decimal("0.5")], [None], [None]),
        *product(SOME_OR_NONE, [None, Decimal(32)], [None], [None, Decimal(5)], [None, Decimal("0.25")]),
    ],
)
def test_cached_kinds_cost_what_the_card_says_of_them(
    gateway: Gateway,
    key: APIKey,
    cached: Decimal | None,
    audio: Decimal | None,
    cached_audio: Decimal | None,
    image: Decimal | None,
    cached_image: Decimal | None,
) -> None:
    stated = {"cached_input": cached, "audio_input": audio, "cached_audio_input": cached_audio}
    rates = stated | {"input": INPUT, "output": Decimal(16), "image_input": image, "cached_image_input": cached_image}
    set_price("m", actor="test", now=NOW, effective_from=LONG_AGO, **rates)
    set_provider_price("openai", "m", actor="test", now=NOW, effective_from=LONG_AGO, **rates)
    send(gateway, [an_event(key, model="m", usage=USAGE, provider="openai")])
    event = UsageEvent.objects.get()
    expected = cost_of(cached, [audio, cached_audio], [image, cached_image])
    assert (event.cost, event.provider_cost) == (expected, expected)


def test_a_factor_of_such_a_card_is_one_of_all_its_rates(gateway: Gateway, key: APIKey) -> None:
    set_price("m", actor="test", now=NOW, effective_from=LONG_AGO, input=INPUT, output=Decimal(16), audio_input=Decimal(32))
    set_factor("m", "batch", Decimal("0.5"), effective_from=LONG_AGO, actor="test", now=NOW)
    send(gateway, [an_event(key, model="m", usage=USAGE, service_tier="batch")])
    assert UsageEvent.objects.get().cost == cost_of(None, [Decimal(32), None], [None, None]) / 2


def test_what_is_cached_is_said_on_the_card_and_is_no_change_when_it_is_imported_again(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("model,input,output,audio_input\nm,4,16,32\n")
    first, second = (imported(file) for _ in range(2))
    assert PriceVersion.objects.get().open_rates == {"audio_input": "32.000000", "cached_audio_input": "32.000000"}
    assert ((first["new"], first["unchanged"]), (second["new"], second["unchanged"])) == ((1, 0), (0, 1))


def imported(file: Path) -> dict[str, Any]:
    out = StringIO()
    call_command("import_prices", str(file), "--format", "csv", "--apply", stdout=out)
    return dict(json.loads(out.getvalue()))
