"""Prices are set by the same function as everywhere, stand once in force, and are withdrawn only while to come."""

from datetime import UTC, datetime
from decimal import Decimal

from django.test import Client
from django.urls import reverse

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.set_price import set_price
from metering.ingest.models import UsageEvent
from metering.tasks import price_waiting_events
from tests.console.conftest import OPERATOR, World
from tests.kit.factories import LONG_AGO, NOW, make_price
from tests.kit.operator import acts_on, submit

FORM = "admin:metering_priceversion_add"
RATES = {"service_tier": "default", "above_input_tokens": "0"}


def test_a_price_is_set(console: Client, world: World) -> None:
    given = RATES | {
        "model": "codex-mini",
        "input": "1.25",
        "cached_input": "0",
        "output": "5.000001",
        "workspace": world.acme.pk,
    }
    assert submit(console, reverse(FORM), **given).status_code == 302
    price = PriceVersion.objects.latest("id")
    assert (price.model.slug, price.workspace, price.effective_from) == ("codex-mini", world.acme, NOW)
    assert (price.input_rate, price.cached_input_rate, price.cache_write_rate) == (Decimal("1.25"), Decimal(0), None)
    assert price.output_rate == Decimal("5.000001")
    assert acts_on(price.public_id) == [(OPERATOR, "price.set")]


def test_a_rate_that_could_not_be_billed_exactly_is_refused_on_the_form(console: Client, world: World) -> None:
    answer = submit(console, reverse(FORM), **RATES, model="codex-mini", input="1.0000001", output="5")
    assert "Input 1.0000001 has more than six decimals" in answer.content.decode()
    assert PriceVersion.objects.count() == 1


def test_two_prices_cannot_begin_at_one_instant(console: Client, world: World) -> None:
    from_when = {"effective_from_0": "2025-01-01", "effective_from_1": "00:00:00"}
    answer = submit(console, reverse(FORM), **RATES, **from_when, model="codex-mini", input="9", output="9")
    assert "already has a default price" in answer.content.decode()
    assert "choose a later time, or ask for it to be corrected" in answer.content.decode()
    assert PriceVersion.objects.count() == 1


def test_a_price_for_the_past_says_what_keeps_its_own(console: Client, world: World) -> None:
    def said(**from_when: str) -> list[str]:
        answer = submit(console, reverse(FORM), **RATES, **from_when, model="codex-mini", input="9", output="9")
        return [str(each) for each in console.get(answer["Location"]).context["messages"]]

    past = said(effective_from_0="2026-10-14", effective_from_1="00:00:00")
    # of the two on the 15th and the one on the 14th, and the sandbox's; September's began before
    assert past[1:] == [
        "4 requests were rated already and keep their version: a price from 2026-10-14 00:00 UTC changes only what had none."
    ]
    assert len(said(effective_from_0="2026-10-16", effective_from_1="00:00:00")) == 1


def test_what_waited_for_the_price_is_priced(console: Client, world: World) -> None:
    page = console.get(reverse("admin:metering_usageevent_unpriced")).content.decode()
    assert "1 request without a price" in page
    assert (
        f"{reverse(FORM)}?model=mystery-1&amp;service_tier=default&amp;effective_from=2026-10-15T11%3A00%3A00%2B00%3A00" in page
    )
    form = console.get(reverse(FORM), {"model": "mystery-1", "effective_from": "2026-10-15T11:00:00+00:00"}).content.decode()
    assert 'value="mystery-1"' in form
    assert 'value="2026-10-15"' in form
    assert 'value="11:00:00"' in form
    from_when = {"effective_from_0": "2026-10-15", "effective_from_1": "11:00:00"}
    submit(console, reverse(FORM), **RATES, **from_when, model="mystery-1", input="1", output="1")
    price_waiting_events()
    assert UsageEvent.objects.get(workspace=world.acme, request_id="mystery").cost == Decimal("0.002306")
    assert (
        "Everything that was used has a price." in console.get(reverse("admin:metering_usageevent_unpriced")).content.decode()
    )


def test_a_price_to_come_is_withdrawn_once(console: Client, world: World) -> None:
    price = make_price(input="9", effective_from=datetime(2031, 1, 1, tzinfo=UTC))
    page = reverse("admin:metering_priceversion_withdraw", args=[price.pk])
    assert submit(console, page).status_code == 302
    assert not PriceVersion.objects.filter(pk=price.pk).exists()
    assert acts_on(price.public_id) == [(OPERATOR, "price.withdrawn")]
    assert console.get(page).status_code == 404


def test_a_wrong_price_that_was_corrected_is_withdrawn_with_its_correction(console: Client, world: World) -> None:
    begins = {"effective_from": datetime(2031, 1, 1, tzinfo=UTC)}
    wrong, other = make_price(input="900", **begins), make_price(input="8", tier="priority", **begins)
    given = {"input": Decimal(9), "output": Decimal(6), "actor": OPERATOR, "now": NOW, **begins}
    right, last = (set_price("codex-mini", correct=True, **given | {"input": Decimal(rate)}) for rate in (9, 10))
    withdrawn = reverse("admin:metering_priceversion_withdraw", args=[right.pk])
    assert "The versions that it corrected go with it." in console.get(withdrawn).content.decode()
    assert submit(console, withdrawn).status_code == 302
    assert set(PriceVersion.objects.filter(**begins)) == {last, other}
    submit(console, reverse("admin:metering_priceversion_withdraw", args=[last.pk]))
    assert set(PriceVersion.objects.filter(**begins)) == {other}
    assert acts_on(wrong.public_id) == [(OPERATOR, "price.withdrawn")]
    assert (OPERATOR, "price.withdrawn") in acts_on(last.public_id)


def test_a_price_between_two_others_leads_to_what_the_first_has_rated(console: Client, world: World) -> None:
    make_price(input="3", effective_from=datetime(2026, 9, 10, tzinfo=UTC))
    between = make_price(input="2", effective_from=datetime(2026, 9, 1, tzinfo=UTC))
    page = console.get(reverse("admin:metering_priceversion_change", args=[between.pk])).content.decode()
    assert "1 request of its time keeps another version&#x27;s price." in page
    given = {"input": Decimal(4), "output": Decimal(6), "effective_from": between.effective_from, "actor": OPERATOR, "now": NOW}
    set_price("codex-mini", correct=True, **given)
    page = console.get(reverse("admin:metering_priceversion_change", args=[between.pk])).content.decode()
    assert "No request of its time keeps another price." in page


def test_a_price_in_force_stands(console: Client, world: World) -> None:
    price = PriceVersion.objects.get(effective_from=LONG_AGO)
    answer = submit(console, reverse("admin:metering_priceversion_withdraw", args=[price.pk]))
    assert "it cannot be withdrawn. Set a price that succeeds it instead." in answer.content.decode()
    assert PriceVersion.objects.filter(pk=price.pk).exists()
    assert acts_on(price.public_id) == []
    page = reverse("admin:metering_priceversion_change", args=[price.pk])
    assert reverse("admin:metering_priceversion_withdraw", args=[price.pk]) not in console.get(page).content.decode()
    assert console.post(page, {"input_rate": "0"}).status_code == 403
    assert console.post(reverse("admin:metering_priceversion_delete", args=[price.pk]), {"post": "yes"}).status_code == 403


def test_a_price_about_to_begin_stands_too(console: Client, world: World) -> None:
    """Events may be dated ten minutes ahead: one may have been rated by it already."""
    price = make_price(input="9", effective_from=datetime(2026, 10, 15, 12, 15, tzinfo=UTC))
    submit(console, reverse("admin:metering_priceversion_withdraw", args=[price.pk]))
    assert PriceVersion.objects.filter(pk=price.pk).exists()


def test_versions_are_told_apart_by_whether_they_are_in_force(console: Client, world: World) -> None:
    old = PriceVersion.objects.get()
    new = make_price(input="2", effective_from=datetime(2026, 10, 1, tzinfo=UTC))
    coming = make_price(input="3", effective_from=datetime(2031, 1, 1, tzinfo=UTC))
    wrong, begins = new, {"effective_from": new.effective_from}
    new = set_price("codex-mini", correct=True, input=Decimal(1), output=Decimal(6), actor=OPERATOR, now=NOW, **begins)
    own = make_price(input="4", effective_from=datetime(2026, 9, 1, tzinfo=UTC), workspace=world.acme)

    def found(state: str) -> set[PriceVersion]:
        answer = console.get(reverse("admin:metering_priceversion_changelist"), {"state": state})
        return set(answer.context["cl"].result_list)

    assert found("in force") == {new, own}
    assert found("succeeded") == {old}
    assert found("corrected") == {wrong}
    assert found("to come") == {coming}
    assert ">corrected<" in "".join(console.get(reverse("admin:metering_priceversion_changelist")).content.decode().split())


def test_models_without_a_price_are_found(console: Client, world: World) -> None:
    LanguageModel.objects.create(slug="an-alias", alias_of=LanguageModel.objects.get(slug="codex-mini"))
    answer = console.get(reverse("admin:metering_languagemodel_changelist"), {"priced": "no"})
    assert [model.slug for model in answer.context["cl"].result_list] == ["mystery-1"]


def test_a_models_page_is_edited_and_its_name_is_not(console: Client, world: World) -> None:
    model = LanguageModel.objects.get(slug="codex-mini")
    page = reverse("admin:metering_languagemodel_change", args=[model.pk])
    given = {
        "slug": "another",
        "name": "Codex Mini",
        "status": "listed",
        "context_window": "200000",
        "service_tiers": "default,priority",
    }
    given |= {"prices-TOTAL_FORMS": "0", "prices-INITIAL_FORMS": "0"}
    assert console.post(page, given).status_code == 302
    model.refresh_from_db()
    assert (model.slug, model.name, model.service_tiers) == ("codex-mini", "Codex Mini", ["default", "priority"])
    assert acts_on("codex-mini") == [(OPERATOR, "languagemodel.changed")]


def test_the_list_of_models_shows_the_correction_of_a_price(console: Client, world: World) -> None:
    for rate in ("7", "8", "9"):
        set_price("codex-mini", input=Decimal(rate), output=Decimal(6), actor="test", now=NOW, effective_from=NOW, correct=True)
    listed = console.get(reverse("admin:metering_languagemodel_changelist")).context["cl"].result_list
    assert [each.current_input for each in listed if each.slug == "codex-mini"] == [Decimal(9)]
