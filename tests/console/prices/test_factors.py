"""A tier at a factor of the default tier's rates, set in the console: shown before it is set, and named wherever it is."""

from datetime import timedelta
from decimal import Decimal

from django.test import Client
from django.urls import reverse

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.set_price import set_factor, set_price
from tests.console.conftest import OPERATOR, World
from tests.kit.factories import NOW, make_price
from tests.kit.operator import acts_on, submit, token_of

FORM = "admin:metering_priceversion_factor"
HALF = {"model": "codex-mini", "service_tier": "batch", "factor": "0.5"}


def test_the_rates_are_shown_before_they_are_set(console: Client, world: World) -> None:
    make_price(input="3", cached_input="0.75", output="12", above_input_tokens=200_000)
    page = reverse(FORM)
    shown = console.post(page, HALF | {"form_token": token_of(console.get(page))})
    content = shown.content.decode()
    assert "input 0.75, cached input 0.1875, output 3" in content
    assert "Above 200,000 input tokens" in content
    assert "Set 2 prices of codex-mini, batch" in content
    assert not PriceVersion.objects.filter(service_tier="batch").exists()
    assert submit(console, page, **HALF).status_code == 302
    short, long = PriceVersion.objects.filter(service_tier="batch").order_by("above_input_tokens")
    assert (short.input_rate, short.factor, short.effective_from) == (Decimal("0.75"), Decimal("0.5"), NOW)
    assert long.input_rate == Decimal("1.5")
    assert acts_on(short.public_id) == [(OPERATOR, "price.set")]


def test_what_no_factor_can_be_of_is_said_on_the_form(console: Client, world: World) -> None:
    for given, said in (
        ({"service_tier": "standard"}, "choose another tier"),
        ({"model": "nothing"}, "nothing has no default price at that time"),
        ({"factor": "-1"}, "The factor must be 0 to 100"),
        ({"factor": "0.0000001"}, "The factor must be 0 to 100"),
        ({"factor": "1e9999999"}, "error"),
        ({"workspace": world.acme.pk}, "codex-mini has no default price at that time"),
    ):
        answer = submit(console, reverse(FORM), **HALF | given)
        assert answer.status_code == 200
        assert said in answer.content.decode(), given
    assert not LanguageModel.objects.filter(slug="nothing").exists()
    assert PriceVersion.objects.count() == 1


def test_a_factor_is_named_on_the_price_its_lists_and_the_customers_page(console: Client, world: World) -> None:
    (batch,) = set_factor("codex-mini", "batch", Decimal("0.5"), actor="test", now=NOW)
    LanguageModel.objects.filter(slug="codex-mini").update(status="listed")
    said = "0.5 times the default tier&#x27;s rates"
    for page in (
        reverse("admin:metering_priceversion_change", args=[batch.pk]),
        reverse("admin:metering_priceversion_list"),
        "/models/codex-mini",
    ):
        assert said in console.get(page).content.decode(), page
    assert "batch, 0.5 x default" in console.get(reverse("admin:metering_priceversion_changelist")).content.decode()
    assert "batch (0.5 times the default tier's rates)" in console.get("/models/codex-mini?format=md").content.decode()
    answer = console.get(reverse("admin:metering_priceversion_list"), {"day": "2026-10-15", "format": "csv"})
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert lines[2].split(",")[5] == "0.5"


def test_the_same_rates_as_a_correction_are_the_tiers_own(console: Client, world: World) -> None:
    set_factor("codex-mini", "batch", Decimal("0.5"), actor="test", now=NOW)
    rates = {"input": Decimal("0.75"), "cached_input": Decimal("0.1875"), "output": Decimal(3)}
    own = set_price("codex-mini", service_tier="batch", correct=True, actor="test", now=NOW, effective_from=NOW, **rates)
    assert (own.revision, own.factor) == (1, None)
    later = NOW + timedelta(days=1)
    set_price("codex-mini", input=Decimal(9), output=Decimal(9), actor="test", now=later, effective_from=later)
    assert PriceVersion.objects.in_force(later).get(service_tier="batch") == own
