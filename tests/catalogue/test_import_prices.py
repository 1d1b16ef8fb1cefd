"""Prices are imported as a file says: a dry run that changes nothing, or all of it in one transaction."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from metering.catalogue.imports import apply, plan
from metering.catalogue.imports.apply import apply_import, file_text, new_import, preview_import
from metering.catalogue.imports.models import ImportedPrice, PriceImport
from metering.catalogue.imports.plan import Plan, plan_import
from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.providers.models import ProviderPrice
from metering.catalogue.set_price import set_factor, set_price
from metering.errors import InvalidPrice, PriceImportChanged
from tests.kit.factories import LONG_AGO, NOW, make_model, make_price, make_workspace
from workspaces.models import AuditEntry

pytestmark = pytest.mark.django_db

HEADER = "model,service_tier,above_input_tokens,input,cached_input,output\n"
LATER = NOW + timedelta(days=1)


def asked(lines: str, **extra: Any) -> PriceImport:
    return new_import(HEADER + lines, **{"actor": "test", "now": NOW, "name": "prices.csv", **extra})


def applied(lines: str, now: Any = NOW, **extra: Any) -> Plan:
    return apply_import(asked(lines, now=now, **extra), now)


def run(*arguments: str) -> Any:
    out = StringIO()
    call_command("import_prices", *arguments, stdout=out)
    return json.loads(out.getvalue())


def test_a_dry_run_says_what_is_new_and_what_changes_and_changes_nothing(tmp_path: Path) -> None:
    make_price("codex-mini")
    make_price("grok-3", input="3", cached_input=None, output="15")
    file = tmp_path / "prices.csv"
    file.write_text(HEADER + "codex-mini,,,1.8,0.375,6\ngrok-3,,,3,,15\nbrand-new,,,1,,2\nbroken,,,x,,2\n")
    said = run(str(file))
    assert {name: said[name] for name in ("new", "changed", "unchanged", "refused", "withdrawn", "applied")} == {
        "new": 1,
        "changed": 1,
        "unchanged": 1,
        "refused": [{"model": "broken", "reason": "line 5: input is 'x', which is not an amount."}],
        "withdrawn": [],
        "applied": False,
    }
    assert said["prices"][0] == {
        "model": "codex-mini",
        "service_tier": "default",
        "above_input_tokens": 0,
        "change": "changed",
        "rates": {"input": {"old": "1.5", "new": "1.8", "change": "+20.0%"}},
    }
    assert said["prices"][1]["rates"]["output"] == {"old": None, "new": "2", "change": None}
    assert PriceVersion.objects.count() == 2
    assert not LanguageModel.objects.filter(slug="brand-new").exists()
    assert not PriceImport.objects.exists()
    assert not AuditEntry.objects.exists()


def test_applying_makes_models_and_versions_that_succeed_and_says_so_on_the_trail(tmp_path: Path) -> None:
    old = make_price("codex-mini")
    file = tmp_path / "map.json"
    model = {"mode": "chat", "litellm_provider": "openai", "max_input_tokens": 8000, "max_output_tokens": 1000}
    file.write_text(
        json.dumps(
            {
                "codex-mini": {"mode": "chat", "input_cost_per_token": 2e-06, "output_cost_per_token": 6e-06},
                "brand-new": {**model, "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06},
            }
        )
    )
    said = run(str(file), "--apply", "--markup=10%")
    assert (said["new"], said["changed"], said["applied"]) == (1, 1, True)
    version = PriceVersion.objects.in_force(PriceImport.objects.get().applied_at).get(model__slug="codex-mini")
    assert (version.input_rate, version.cached_input_rate, version.output_rate) == (Decimal("2.2"), None, Decimal("6.6"))
    assert version.effective_from > old.effective_from
    page = LanguageModel.objects.get(slug="brand-new")
    assert (page.status, page.provider, page.endpoint_type) == ("unlisted", "openai", "chat")
    assert (page.context_window, page.max_output_tokens) == (8000, 1000)
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["price.set", "price.set", "prices.imported"]
    detail = AuditEntry.objects.get(action="prices.imported").detail
    assert {name: detail[name] for name in ("file", "format", "new", "changed")} == {
        "file": "map.json",
        "format": "litellm",
        "new": 1,
        "changed": 1,
    }


def test_the_same_file_again_changes_nothing() -> None:
    applied("a,,,1,,2\na,priority,,2,,4\n")
    again = applied("a,,,1,,2\na,priority,,2,,4\n", LATER)
    assert (again.unchanged, again.changes) == (["a"], [])
    assert PriceVersion.objects.count() == 2


def test_what_an_import_priced_and_the_file_has_no_more_is_said_and_stays() -> None:
    applied("a,,,1,,2\nb,,,1,,2\nb,flex,,1,,1\n")
    set_price("c", input=Decimal(1), output=Decimal(1), actor="test", now=NOW)
    plan = applied("a,,,1,,2\nb,,,1,,2\n", LATER)
    assert [(each.model, each.service_tier) for each in plan.withdrawn] == [("b", "flex")]
    assert PriceVersion.objects.in_force(LATER).filter(model__slug="b", service_tier="flex").exists()
    only = plan_import(asked("a,,,1,,2\n", only="a*"), LATER)
    assert only.withdrawn == []
    by_hand = asked("b,,,1,,2\n", now=LATER)
    set_price("a", input=Decimal(7), output=Decimal(7), actor="test", now=NOW, effective_from=LATER - timedelta(hours=1))
    assert [(each.model, each.service_tier) for each in plan_import(by_hand, LATER).withdrawn] == [("b", "flex")]


def test_above_a_threshold_that_the_file_has_no_more_the_price_below_it_holds() -> None:
    applied("a,,,1,,2\na,,200000,2,,4\n")
    plan = applied("a,,,1,,2\n", LATER)
    assert [(each.scope.above_input_tokens, each.rates["input"]) for each in plan.changes] == [(200_000, Decimal(1))]
    assert plan.withdrawn == []
    assert plan_import(asked("a,,,1,,2\n"), LATER + timedelta(days=1)).unchanged == ["a"]


def test_only_a_pattern_is_imported_of_a_file() -> None:
    plan = plan_import(asked("gpt-4,,,1,,2\nazure/gpt-4,,,1,,2\nother,,,x,,2\n", only="gpt-*, azure/*"), NOW)
    assert (plan.new, plan.refused) == (["gpt-4", "azure/gpt-4"], {})


def test_an_alias_and_a_second_price_of_the_same_beginning_are_refused_and_the_rest_is_imported() -> None:
    make_model("short", alias_of=make_model("codex-mini"))
    make_price("grok-3", effective_from=LATER)
    plan = applied("short,,,1,,2\ngrok-3,,,1,,2\nfine,,,1,,2\n", effective_from=LATER)
    assert plan.refused == {
        "short": "It is an alias of codex-mini, and has its price.",
        "grok-3": "It has another price that begins at the same time: choose a later one.",
    }
    assert plan.new == ["fine"]
    assert PriceVersion.objects.get(model__slug="fine").effective_from == LATER


def test_a_workspaces_own_price_is_neither_compared_nor_changed() -> None:
    own = make_price("codex-mini", input="0.5", workspace=make_workspace())
    plan = applied("codex-mini,,,1.5,0.375,6\n")
    assert plan.new == ["codex-mini"]
    own.refresh_from_db()
    assert own.input_rate == Decimal("0.5")


def test_what_is_applied_is_what_was_previewed_or_nothing() -> None:
    make_price("codex-mini", effective_from=LONG_AGO)
    seen = asked("codex-mini,,,2,,6\n")
    preview_import(seen, NOW)
    set_price("codex-mini", input=Decimal(9), output=Decimal(9), actor="test", now=NOW)
    with pytest.raises(PriceImportChanged, match="Prices have changed since this preview was made"):
        apply_import(seen, LATER)
    assert not ImportedPrice.objects.exists()
    again = asked("codex-mini,,,2,,6\n")
    preview_import(again, LATER)
    apply_import(again, LATER)
    with pytest.raises(PriceImportChanged, match="applied already"):
        apply_import(again, LATER)
    assert ImportedPrice.objects.count() == 1


def test_a_preview_that_nobody_applied_is_forgotten_after_a_day() -> None:
    preview_import(asked("a,,,1,,2\n"), NOW)
    preview_import(asked("a,,,1,,2\n", now=LATER), LATER + timedelta(seconds=1))
    assert [each.created_at for each in PriceImport.objects.all()] == [LATER]


def test_what_providers_charge_is_another_book_by_provider_and_route() -> None:
    make_price("gpt-4")
    lines = ("azure,,azure/gpt-4,1,2", "azure,eu,azure/gpt-4,1.5,2", "openai,,gpt-4,1,2", ",,gpt-5,1,2")
    text = "\n".join(("provider,route,model,input,output", *lines))
    plan = apply_import(new_import(text, actor="test", now=NOW, provider_cost=True), NOW)
    assert plan.refused == {"gpt-5": "The file does not say which provider it is from."}
    found = ProviderPrice.objects.order_by("provider", "route").values_list("provider", "route", "model__slug", "input_rate")
    assert list(found) == [
        ("azure", "", "gpt-4", Decimal(1)),
        ("azure", "eu", "gpt-4", Decimal("1.5")),
        ("openai", "", "gpt-4", Decimal(1)),
    ]
    assert PriceVersion.objects.count() == 1


@pytest.mark.parametrize("provider_cost", [False, True])
def test_a_file_of_many_models_takes_as_many_statements_as_one_of_few(provider_cost: bool) -> None:
    def statements(first: int, last: int, at: datetime) -> int:
        lines = "".join(f"openai,model-{each},1,2\n" for each in range(first, last))
        text = "provider,model,input,output\n" + lines
        with CaptureQueriesContext(connection) as captured:
            plan = apply_import(new_import(text, actor="test", now=at, provider_cost=provider_cost), at)
        assert len(plan.changes) == last - first
        return len(captured)

    few = statements(0, 2, NOW)
    assert statements(2, 42, LATER) == few
    assert AuditEntry.objects.filter(action__endswith="price.set").count() == 42
    assert ImportedPrice.objects.count() == 42


def test_two_names_of_one_model_at_one_provider_must_agree() -> None:
    def file(other: float) -> str:
        model = {"mode": "chat", "litellm_provider": "azure", "output_cost_per_token": 2e-06}
        return json.dumps(
            {"gpt-4": {**model, "input_cost_per_token": 1e-06}, "azure/gpt-4": {**model, "input_cost_per_token": other}}
        )

    same = plan_import(new_import(file(1e-06), actor="test", now=NOW, provider_cost=True), NOW)
    assert (len(same.changes), same.refused) == (1, {})
    other = plan_import(new_import(file(3e-06), actor="test", now=NOW, provider_cost=True), NOW)
    assert other.changes == []
    assert other.refused == {
        "gpt-4": "Another entry of the file has a different price for the same model: azure/gpt-4.",
        "azure/gpt-4": "Another entry of the file has a different price for the same model: gpt-4.",
    }


def test_a_model_that_is_refused_takes_no_price_from_another_name_of_it() -> None:
    """Both say what openai charges for gpt-4; one says of a tier what cannot be."""
    long_tier = "x" * 65
    lines = ("openai,gpt-4,,1,2", f"openai,gpt-4,{long_tier},9,9", "openai,openai/gpt-4,,1,2")
    text = "\n".join(("provider,model,service_tier,input,output", *lines))
    plan = apply_import(new_import(text, actor="test", now=NOW, provider_cost=True), NOW)
    assert list(plan.refused) == ["gpt-4"]
    assert (plan.new, [each.scope.service_tier for each in plan.changes]) == (["openai/gpt-4"], ["default"])
    assert ProviderPrice.objects.get().input_rate == 1


def test_a_threshold_that_the_table_cannot_hold_refuses_its_model() -> None:
    model = {"mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}
    text = json.dumps({"m": {**model, "input_cost_per_token_above_9999999k_tokens": 2e-06}})
    plan = apply_import(new_import(text, actor="test", now=NOW), NOW)
    assert plan.refused == {"m": "It has a threshold of 9999999000 tokens, which no request reaches."}


def test_a_file_of_more_models_than_any_is_refused() -> None:
    many = "".join(f"m{number},,,1,,2\n" for number in range(20_001))
    with pytest.raises(InvalidPrice, match="more than 20,000 models"):
        plan_import(asked(many), NOW)


def test_a_tier_that_follows_by_a_factor_has_what_the_file_says_of_it() -> None:
    """The file changes the default price and names the tier's, which holds already: it must not follow to half of the new."""
    make_price("a", input="10", output="20")
    set_factor("a", "batch", Decimal("0.5"), actor="test", now=NOW)
    plan = applied("a,,,12,,24\na,batch,,5,,10\n", LATER)
    assert [(each.scope.service_tier, each.rates["input"]) for each in plan.changes] == [("default", 12), ("batch", 5)]
    batch = PriceVersion.objects.in_force(LATER).get(service_tier="batch")
    assert (batch.input_rate, batch.factor) == (5, None)
    assert not PriceVersion.objects.filter(service_tier="batch", input_rate=6).exists()


def test_a_tier_that_follows_though_the_file_says_nothing_of_it_is_said_and_part_of_what_was_seen() -> None:
    make_price("a", input="10", output="20")
    seen = asked("a,,,12,,24\n")
    preview_import(seen, NOW)
    set_factor("a", "batch", Decimal("0.5"), actor="test", now=NOW)
    with pytest.raises(PriceImportChanged):
        apply_import(seen, LATER)
    plan = applied("a,,,12,,24\n", LATER)
    assert plan.remarks == {"a": ("batch follows it, at 0.5 times its rates.",)}
    assert PriceVersion.objects.in_force(LATER).get(service_tier="batch").input_rate == 6


@pytest.mark.parametrize("provider_cost", [False, True])
def test_a_price_that_is_set_for_later_is_said_to_end_what_is_imported(provider_cost: bool) -> None:
    text = "provider,model,input,output\nopenai,a,{},2\n"
    for rate, start in ((3, LATER + timedelta(days=9)), (2, LATER)):
        later = new_import(text.format(rate), actor="test", now=NOW, provider_cost=provider_cost, effective_from=start)
        apply_import(later, NOW)
    plan = plan_import(new_import(text.format(1), actor="test", now=NOW, provider_cost=provider_cost), NOW)
    assert plan.remarks == {"a": ("A price of default that begins 2026-10-16T12:00:00Z is set already, and succeeds it then.",)}


def test_a_file_is_read_before_prices_are_locked_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    true_read, true_lock = apply.read_import, apply.lock_prices
    monkeypatch.setattr(apply, "read_import", lambda asked: (order.append("read"), true_read(asked))[1])
    monkeypatch.setattr(plan, "read_import", lambda asked: (order.append("read again"), true_read(asked))[1])
    monkeypatch.setattr(apply, "lock_prices", lambda: (order.append("lock"), true_lock())[1])
    applied("a,,,1,,2\n")
    assert order == ["read", "lock"]


def test_a_provider_card_is_succeeded_and_never_changed() -> None:
    text = "provider,model,input,output\nazure,gpt-4,{},2\n"
    for at, rate in ((NOW, "1"), (LATER, "3")):
        apply_import(new_import(text.format(rate), actor="test", now=at, provider_cost=True), at)
    assert [each.input_rate for each in ProviderPrice.objects.in_force(NOW)] == [Decimal(1)]
    assert [each.input_rate for each in ProviderPrice.objects.in_force(LATER)] == [Decimal(3)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format=xml"], "The format is one of litellm, openrouter, csv."),
        (["--markup=20"], "The markup '20' could be a factor or per cent: write it as 20%."),
        (["--provider-cost", "--markup=20%"], "A markup applies to what customers pay"),
        (["--format=litellm"], "The file is not JSON"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(HEADER + "a,,,1,,2\n")
    with pytest.raises(CommandError) as refused:
        run(str(file), *arguments)
    assert said in str(refused.value)


def test_a_file_that_is_missing_or_no_text_is_refused() -> None:
    with pytest.raises(CommandError, match=r"no-such-file cannot be read: No such file or directory"):
        run("no-such-file")
    for content in (b"\xff\xfe", b"model\x00"):
        with pytest.raises(InvalidPrice):
            file_text(content)
