"""Prices are succeeded, never changed."""

import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from metering.catalogue import set_price as module
from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.seeds import load_catalogue
from metering.catalogue.set_price import set_price
from metering.catalogue.withdraw_price import withdraw_price
from metering.errors import InvalidPrice, PriceAlreadySet
from metering.ingest.models import UsageEvent
from metering.jobs.timetable import TIMETABLE
from metering.revisions.rerating.reprice import price_waiting
from tests.kit.factories import (
    GOLDEN_COST,
    LONG_AGO,
    NOW,
    an_event,
    make_gateway,
    make_key,
    make_model,
    make_price,
    make_workspace,
    send,
)
from workspaces.models import AuditEntry

pytestmark = pytest.mark.django_db


def price(model: str = "codex-mini", **extra: Any) -> PriceVersion:
    given = {"input": Decimal("1.5"), "output": Decimal(6), "actor": "test", "now": NOW} | extra
    return set_price(model, **given)


def test_a_price_begins_now_unless_told_otherwise_and_is_audited() -> None:
    version = price(cached_input=Decimal("0.375"))
    assert version.effective_from == NOW
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.target) == ("test", "price.set", version.public_id)
    assert entry.detail["cached_input"] == "0.375000"


def test_an_unknown_model_is_created_unlisted_and_a_discovered_one_is_taken_up() -> None:
    make_model("seen", status="discovered")
    price("new")
    price("seen")
    assert set(LanguageModel.objects.values_list("slug", "status")) == {("new", "unlisted"), ("seen", "unlisted")}


def test_an_alias_gets_no_price_of_its_own_for_it_would_never_apply() -> None:
    make_model("codex", alias_of=make_model("codex-mini"))
    with pytest.raises(InvalidPrice, match="codex is an alias: set the price of codex-mini") as refused:
        price("codex")
    assert refused.value.param == "model"
    assert not PriceVersion.objects.exists()
    assert not AuditEntry.objects.exists()


def test_any_tier_that_an_event_may_name_can_be_priced() -> None:
    longest = "t" * 64
    price(effective_from=LONG_AGO, service_tier=longest)
    send(make_gateway(), [an_event(make_key(make_workspace()), service_tier=longest)])
    assert UsageEvent.objects.get().cost == Decimal("0.004809")


@pytest.mark.parametrize("name", ["auto", "standard", "AUTO", " Default "])
def test_every_name_of_the_default_tier_is_the_default_tier_in_prices_and_in_events(name: str) -> None:
    assert price(service_tier=name, effective_from=LONG_AGO).service_tier == "default"
    make_price("grok-3")
    send(make_gateway(), [an_event(make_key(make_workspace()), model="grok-3", service_tier=name)])
    assert UsageEvent.objects.get().cost == GOLDEN_COST


@pytest.mark.parametrize("tier", ["", " ", "\t", "t" * 65, "nul\x00", "half a character \ud83d"])
def test_a_tier_that_no_event_can_name_is_refused(tier: str) -> None:
    with pytest.raises(InvalidPrice, match="tier") as refused:
        price(service_tier=tier)
    assert refused.value.param == "service_tier"
    assert not PriceVersion.objects.exists()


@pytest.mark.parametrize("model", ["", "m" * 301, "nul\x00", "m\udcff"])
def test_a_model_that_no_event_can_name_is_refused(model: str) -> None:
    with pytest.raises(InvalidPrice, match="model's name") as refused:
        price(model)
    assert refused.value.param == "model"
    assert not LanguageModel.objects.exists()


def test_the_same_price_again_is_the_one_already_there() -> None:
    assert price() == price()
    assert PriceVersion.objects.count() == 1
    assert AuditEntry.objects.count() == 1


def test_two_versions_cannot_begin_at_one_instant() -> None:
    price()
    with pytest.raises(PriceAlreadySet):
        price(input=Decimal(2))
    with pytest.raises(IntegrityError, match="one_price_in_force_at_a_time"), transaction.atomic():
        make_price(effective_from=NOW)


def test_the_database_refuses_to_change_or_delete_a_price_in_force() -> None:
    version = make_price()
    with pytest.raises(IntegrityError, match="succeeded by a new version"), transaction.atomic():
        PriceVersion.objects.filter(pk=version.pk).update(input_rate=1)
    with pytest.raises(IntegrityError, match="succeeded by a new version"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM metering_priceversion")
    assert PriceVersion.objects.get().input_rate == Decimal("1.5")


def test_a_future_price_can_be_withdrawn() -> None:
    from django.utils import timezone

    version = make_price(effective_from=timezone.now() + timedelta(days=30))
    version.delete()
    assert not PriceVersion.objects.exists()


@pytest.mark.parametrize("rate", ["-1", "0.0000001", "NaN", "Infinity", "1000000.000001"])
def test_a_rate_that_could_not_be_billed_exactly_is_refused(rate: str) -> None:
    with pytest.raises(InvalidPrice):
        price(input=Decimal(rate))
    assert not PriceVersion.objects.exists()


def test_minus_nothing_is_nothing() -> None:
    out = StringIO()
    call_command("set_price", "m", "--input", "-0", "--cached-input", "-0.0", "--output", "0", stdout=out)
    printed = json.loads(out.getvalue())
    assert (printed["input"], printed["cached_input"], printed["output"]) == ("0.000000", "0.000000", "0.000000")
    assert AuditEntry.objects.get().detail["input"] == "0.000000"


def test_the_command_prints_one_json_object() -> None:
    workspace = make_workspace()
    out = StringIO()
    arguments = ["grok-9", "--input", "3", "--output", "15.000001", "--tier", "priority", "--above-input-tokens", "200000"]
    call_command(
        "set_price", *arguments, "--workspace", workspace.public_id, "--effective-from", "2026-10-01T02:00:00+02:00", stdout=out
    )
    version = PriceVersion.objects.get()
    assert json.loads(out.getvalue()) == {
        "price_id": version.public_id,
        "model": "grok-9",
        "service_tier": "priority",
        "effective_from": "2026-10-01T00:00:00Z",
        "input": "3.000000",
        "cached_input": None,
        "cache_write": None,
        "output": "15.000001",
    }
    assert (version.workspace, version.above_input_tokens) == (workspace, 200_000)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["m", "--input", "x", "--output", "1"], "not a number"),
        (["m", "--input", "1", "--output", "-1"], "must be 0 or more"),
        (["m", "--input", "1", "--output", "1", "--cached-input", ""], "--cached-input '' is not a number"),
        (["m", "--input", "1", "--output", "1", "--cache-write", ""], "--cache-write '' is not a number"),
        (["m", "--input", "1", "--output", "1", "--workspace", "ws_no"], "There is no workspace 'ws_no'."),
        (["m", "--input", "1", "--output", "1", "--workspace", "ws_\udcff"], "There is no workspace 'ws_.udcff'."),
        (["m", "--input", "1", "--output", "1", "--effective-from", "2026-10-01T00:00:00"], "no time zone"),
        (["m", "--input", "1", "--output", "1", "--effective-from", "soon"], "not a time"),
    ],
)
def test_the_command_refuses_in_one_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("set_price", *arguments)
    assert not PriceVersion.objects.exists()


def test_loading_the_catalogue_twice_changes_nothing_and_never_overwrites_an_edit() -> None:
    assert load_catalogue() == {"models": 4, "prices": 4}
    LanguageModel.objects.filter(slug="grok-3").update(name="Grok, ours", context_window=1)
    assert load_catalogue() == {"models": 0, "prices": 0}
    grok = LanguageModel.objects.get(slug="grok-3")
    assert (grok.name, grok.context_window) == ("Grok, ours", 1)


def test_a_seed_model_that_somebody_priced_keeps_only_that_price() -> None:
    make_price("grok-3", input="1", cached_input=None, output="2", effective_from=NOW)
    assert load_catalogue() == {"models": 3, "prices": 3}
    assert PriceVersion.objects.get(model__slug="grok-3").effective_from == NOW


def test_a_seed_model_that_usage_named_first_is_filled_in_and_priced() -> None:
    send(make_gateway(), [an_event(make_key(make_workspace()), model="grok-3")])
    seen = LanguageModel.objects.get(slug="grok-3")
    assert (seen.status, seen.provider) == ("discovered", "")
    assert load_catalogue() == {"models": 4, "prices": 4}
    grok = LanguageModel.objects.get(slug="grok-3")
    assert (grok.pk, grok.status, grok.name, grok.context_window) == (seen.pk, "listed", "Grok 3", 131_072)
    price_waiting()
    assert UsageEvent.objects.get().cost == Decimal("0.010518")
    assert load_catalogue() == {"models": 0, "prices": 0}


def test_a_seed_model_that_an_operator_holds_back_or_made_an_alias_stays_so() -> None:
    make_model("grok-3", status="unlisted")
    make_model("o1-preview", alias_of=make_model("o1"))
    assert load_catalogue() == {"models": 2, "prices": 3}
    assert LanguageModel.objects.get(slug="grok-3").status == "unlisted"
    assert not PriceVersion.objects.filter(model__slug="o1-preview").exists()


def test_the_seed_rates_are_the_listed_ones() -> None:
    load_catalogue()
    rates = PriceVersion.objects.values_list("model__slug", "service_tier", "input_rate", "cached_input_rate", "output_rate")
    assert {(slug, tier): tuple(map(str, values)) for slug, tier, *values in rates} == {
        ("codex-mini", "default"): ("1.500000", "0.375000", "6.000000"),
        ("o1-preview", "default"): ("15.000000", "7.500000", "60.000000"),
        ("computer-use-preview", "default"): ("3.000000", "None", "12.000000"),
        ("grok-3", "default"): ("3.000000", "None", "15.000000"),
    }


def test_the_command_says_that_it_made_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        call_command("set_price", "misspelt", "--input", "1", "--output", "1", "--effective-from", "2026-10-01T00:00:00Z")
    assert capsys.readouterr().err == "There was no model misspelt: it was made, unlisted.\n"


def test_a_rate_that_is_needed_and_left_out_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match="A price needs rates for input, output"):
        set_price("codex-mini", input=Decimal(1), actor="test", now=NOW)
    assert not PriceVersion.objects.exists()


def test_a_rate_of_no_component_is_refused() -> None:
    with pytest.raises(InvalidPrice, match="audio is not a component"):
        set_price("codex-mini", input=Decimal(1), output=Decimal(1), audio=None, actor="test", now=NOW)
    assert not PriceVersion.objects.exists()


@pytest.mark.parametrize(
    ("begins", "announced"),
    [(timedelta(minutes=50), True), (timedelta(hours=2), False), (timedelta(0), False), (-timedelta(days=1), False)],
)
def test_a_price_that_begins_before_coming_prices_are_looked_at_is_announced_at_once(
    begins: timedelta, announced: bool, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(module, "remind", sent.append)
    with django_capture_on_commit_callbacks(execute=True):
        price(effective_from=NOW + begins)
    assert ("metering.announce_prices" in sent) is announced
    assert "metering.price_waiting_events" in sent


def test_coming_prices_are_looked_at_as_often_as_the_timetable_says() -> None:
    assert {job.task: job.when for job in TIMETABLE}["metering.announce_prices"] == module.ANNOUNCED_EVERY.total_seconds()


@pytest.mark.parametrize(("begins", "announced"), [(20, True), (50, True), (120, False)])
def test_a_price_that_is_withdrawn_before_coming_prices_are_looked_at_is_announced_so_at_once(
    begins: int, announced: bool, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    ahead = NOW + timedelta(days=36500)  # of the database's own clock
    version = price(effective_from=ahead + timedelta(minutes=begins), now=ahead)
    sent: list[str] = []
    monkeypatch.setattr(module, "remind", sent.append)
    with django_capture_on_commit_callbacks(execute=True):
        withdraw_price(version, "test", ahead)
    assert sent == ["metering.announce_prices"] * announced
