"""A file of prices at the console: uploaded or pasted, looked at, applied as it was seen; the list of prices and its file."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from metering.catalogue.imports.models import ImportedPrice, PriceImport
from metering.catalogue.models import PriceVersion
from metering.catalogue.providers.models import ProviderPrice
from metering.catalogue.set_price import set_price
from metering.console.prices.price_list import MOST_ROWS
from tests.console.conftest import OPERATOR, World
from tests.kit.factories import NOW, an_event, make_key, make_price, send
from tests.kit.operator import acts_on, submit

ADD = "admin:metering_priceimport_add"
TEXT = "model,service_tier,input,output\ncodex-mini,,2,6\nbrand-new,priority,1,2\nbroken,,1,\n"


def file(content: str = TEXT) -> SimpleUploadedFile:
    return SimpleUploadedFile("prices.csv", content.encode(), "text/csv")


def previewed(console: Client, **given: Any) -> Any:
    """The page that shows what the import would do."""
    answer = submit(console, reverse(ADD), **given)
    assert answer.status_code == 302, answer.content.decode()
    return console.get(answer["Location"])


def test_an_uploaded_file_is_looked_at_and_changes_nothing(console: Client, world: World) -> None:
    page = previewed(console, file=file(), markup="10%")
    content = page.content.decode()
    assert "input 1.5 → <strong>2.2</strong> (+46.7%)" in content
    assert "cached_input 0.375 → <strong>none</strong>" in content
    assert "Line 4 has no output rate: write 0 where it costs nothing." in content
    assert page.context["counts"] == [
        ("New", "1"),
        ("Changed", "1"),
        ("Unchanged", "0"),
        ("Refused", "1"),
        ("Withdrawn", "0"),
    ]
    assert PriceVersion.objects.count() == 1
    assert PriceImport.objects.get().applied_at is None


def test_what_was_looked_at_is_applied_once_and_is_on_the_trail(console: Client, world: World) -> None:
    page = previewed(console, pasted=TEXT)
    answer = submit(console, page.context["apply_link"], seen=page.context["plan"].digest())
    assert answer.status_code == 302
    applied = PriceImport.objects.get()
    assert (applied.applied_at, applied.counts["changed"], ImportedPrice.objects.count()) == (NOW, 1, 2)
    assert acts_on(applied.public_id) == [(OPERATOR, "prices.imported")]
    again = console.get(page.context["apply_link"], follow=True)
    assert "There is nothing to apply." in again.content.decode()
    assert "What was imported" in again.content.decode()


def test_prices_that_changed_after_they_were_looked_at_are_not_applied(console: Client, world: World) -> None:
    page = previewed(console, pasted=TEXT)
    set_price("codex-mini", input=Decimal(9), output=Decimal(9), actor="test", now=NOW)
    answer = submit(console, page.context["apply_link"], seen=page.context["plan"].digest())
    assert "Prices have changed since this preview was made: preview the file again." in answer.content.decode()
    assert not ImportedPrice.objects.exists()


def test_one_of_a_file_and_its_text_is_imported_and_what_is_wrong_is_said_on_the_form(console: Client, world: World) -> None:
    for given, said in (
        ({}, "Choose a file, or paste its text: one of the two."),
        ({"file": file(), "pasted": TEXT}, "Choose a file, or paste its text: one of the two."),
        ({"pasted": "{"}, "The file is not JSON"),
        ({"pasted": TEXT, "markup": "twice"}, "is not a number: write it as 20%."),
        ({"file": SimpleUploadedFile("a.csv", b"\xff\xfe")}, "The file is not text in UTF-8."),
        ({"pasted": TEXT, "book": "provider", "markup": "5%"}, "A markup applies to what customers pay"),
    ):
        answer = submit(console, reverse(ADD), **given)
        assert answer.status_code == 200
        assert said in answer.content.decode()
    assert not PriceImport.objects.exists()


def test_provider_costs_are_imported_and_set_by_hand(console: Client, world: World) -> None:
    page = previewed(console, pasted="provider,model,input,output\nazure,gpt-4,1,2\n", book="provider")
    submit(console, page.context["apply_link"], seen=page.context["plan"].digest())
    given = {"provider": "azure", "route": "eu", "model": "gpt-4", "service_tier": "default", "above_input_tokens": "0"}
    answer = submit(console, reverse("admin:metering_providerprice_add"), **given, input="3", output="4")
    assert answer.status_code == 302
    assert list(ProviderPrice.objects.values_list("route", "input_rate")) == [("", Decimal(1)), ("eu", Decimal(3))]
    assert "eu" in console.get(reverse("admin:metering_providerprice_changelist")).content.decode()
    assert "azure" in console.get(answer["Location"]).content.decode()


def test_the_price_list_searches_compares_two_days_and_is_a_file_that_can_be_imported(console: Client, world: World) -> None:
    yesterday = NOW - timedelta(days=1)
    set_price("codex-mini", input=Decimal(2), output=Decimal(6), actor="test", now=NOW, effective_from=yesterday)
    set_price("grok-3", input=Decimal(3), output=Decimal(15), actor="test", now=NOW, web_search=Decimal("0.01"))
    page = reverse("admin:metering_priceversion_list")
    content = console.get(page).content.decode()
    assert "2 prices at the end of 2026-10-15" in content
    assert "web_search 0.01" in content
    found = console.get(page, {"day": "2026-10-15", "model": "GROK"}).content.decode()
    assert "1 price at the end" in found
    compared = {"day": "2026-10-15", "compared": "2026-10-13", "changed": "on", "model": "codex"}
    assert "input 1.5 → <strong>2</strong> (+33.3%)" in console.get(page, compared).content.decode()
    answer = console.get(page, {"day": "2026-10-15", "format": "csv"})
    text = b"".join(answer.streaming_content).decode()
    lines = text.removeprefix("\ufeff").splitlines()
    assert lines[0] == "model,service_tier,above_input_tokens,effective_from,price_id,factor,input,output,web_search"
    assert lines[2].endswith(",3,15,0.01")
    again = previewed(console, file=file(text))
    assert again.context["counts"][2] == ("Unchanged", "2")


@pytest.mark.parametrize(
    ("asked", "keys"),
    [({}, 500), ({"compared": "2026-10-12"}, 999), ({"compared": "2026-10-12", "changed": "on"}, 40)],
)
def test_the_price_list_reads_as_a_whole_what_it_shows_alone(
    console: Client, world: World, asked: dict[str, str], keys: int
) -> None:
    """Of 520 other prices each is succeeded by the same rates, and of 20 by others."""
    page = reverse("admin:metering_priceversion_list")
    for at in range(MOST_ROWS + 20):
        make_price(f"m-{at:04}", input="1")
        make_price(f"m-{at:04}", input="2" if at < 20 else "1", effective_from=NOW - timedelta(days=2))
    with CaptureQueriesContext(connection) as captured:
        [table] = console.get(page, {"day": "2026-10-15"} | asked).context["tables"]
    whole = [query["sql"] for query in captured if "open_rates" in query["sql"]]
    shown = 20 if "changed" in asked else MOST_ROWS
    assert (len(whole), len(table.rows)) == (2 if "changed" in asked else 1, shown)
    assert whole[-1].partition(" IN (")[2].count(",") + 1 == keys
    total = 20 if "changed" in asked else MOST_ROWS + 21
    assert table.title == f"{total} prices at the end of 2026-10-15"
    assert ("take the file" in table.note) == (total > MOST_ROWS)


def test_names_that_begin_as_formulas_do_come_back_from_the_file_as_they_were(console: Client, world: World) -> None:
    for name in ("@cf/meta/llama", "=1+1", "-m"):
        set_price(name, input=Decimal(3), output=Decimal(15), actor="test", now=NOW)
    answer = console.get(reverse("admin:metering_priceversion_list"), {"day": "2026-10-15", "format": "csv"})
    text = b"".join(answer.streaming_content).decode()
    assert "'@cf/meta/llama" in text
    assert previewed(console, file=file(text)).context["counts"][:3] == [("New", "0"), ("Changed", "0"), ("Unchanged", "4")]


def test_the_list_as_a_workspace_pays_it_has_its_own_prices(console: Client, world: World) -> None:
    set_price("codex-mini", input=Decimal(1), output=Decimal(6), actor="test", now=NOW, workspace=world.acme)
    page = reverse("admin:metering_priceversion_list")
    assert "input 1<" in console.get(page, {"day": "2026-10-15", "workspace": world.acme.pk}).content.decode()
    assert "input 1.5<" in console.get(page, {"day": "2026-10-15"}).content.decode()


def test_a_price_of_the_list_that_a_workspace_does_not_reach_is_not_in_its_list(console: Client, world: World) -> None:
    """Its own price holds for requests of any length, whatever the list has above a threshold."""
    make_price(input="3", above_input_tokens=200_000)
    make_price(input="5", tier="priority", above_input_tokens=200_000)
    page, own = reverse("admin:metering_priceversion_list"), {"day": "2026-10-15", "workspace": world.acme.pk}
    assert "3 prices at the end" in console.get(page, own).content.decode()
    set_price("codex-mini", input=Decimal(1), output=Decimal(6), actor="test", now=NOW, workspace=world.acme)
    content = console.get(page, own).content.decode()
    assert "2 prices at the end" in content
    assert "priority, above 200,000 tokens" in content
    assert "default, above 200,000 tokens" not in content
    lines = b"".join(console.get(page, own | {"format": "csv"}).streaming_content).decode().splitlines()
    assert [line.split(",")[1:3] for line in lines[1:]] == [["default", "0"], ["priority", "200000"]]


def test_margin_is_on_the_overview_and_in_a_report_once_a_provider_has_a_card(console: Client, world: World) -> None:
    index, report = reverse("admin:index"), reverse("admin:metering_journalposting_margin")
    assert "Margin this month" not in console.get(index).content.decode()
    previewed_page = previewed(console, pasted="provider,model,input,output\nazure,codex-mini,1,2\n", book="provider")
    submit(console, previewed_page.context["apply_link"], seen=previewed_page.context["plan"].digest())
    event = an_event(
        make_key(world.acme), request_id="costed", provider="azure", occurred_at=f"{timezone.now():%Y-%m-%dT%H:%M:%SZ}"
    )
    send(world.gateway, [event])
    content = console.get(index).content.decode()
    assert "Margin this month" in content
    by_provider = console.get(report, {"first_day": "2026-10-01", "last_day": "2026-10-15", "by": "provider"}).content.decode()
    assert "azure" in by_provider
    assert "unknown" in by_provider
    answer = console.get(report, {"first_day": "2026-10-01", "last_day": "2026-10-15", "by": "model", "format": "csv"})
    assert "provider_cost" in b"".join(answer.streaming_content).decode()
