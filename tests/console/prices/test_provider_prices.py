"""What providers charge, in the console: set, corrected and withdrawn as prices are."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from metering.catalogue.providers.models import ProviderPrice
from metering.catalogue.providers.set_provider_price import set_provider_price
from metering.errors import NotOrdered
from metering.ingest.models import UsageEvent
from metering.jobs.models import JobOrder, JobRun
from metering.revisions.tasks import work_out_ordered_costs
from omixa_billing.celery import app
from tests.console.conftest import OPERATOR, World
from tests.kit.factories import LONG_AGO, NOW, an_event, make_key, send
from tests.kit.operator import acts_on, submit

FORM = "admin:metering_providerprice_add"
CARD = {"provider": "azure", "model": "codex-mini", "service_tier": "default", "above_input_tokens": "0", "output": "4"}


def card(**extra: Any) -> ProviderPrice:
    rates = {"input": Decimal(1), "output": Decimal(4), "web_search": Decimal("0.01")}
    return set_provider_price("azure", "codex-mini", **{**rates, "actor": "test", "now": NOW, **extra})


def test_a_wrong_card_is_corrected_from_its_very_beginning(console: Client, world: World) -> None:
    wrong = card()
    begins = {"effective_from_0": f"{NOW:%Y-%m-%d}", "effective_from_1": f"{NOW:%H:%M:%S}"}
    refused = submit(console, reverse(FORM), **CARD, **begins, input="2")
    assert "or ask for it to be corrected" in refused.content.decode()
    given = CARD | begins | {"input": "2", "open_rates": "web_search = 0.02", "correct": "on"}
    assert submit(console, reverse(FORM), **given).status_code == 302
    right = ProviderPrice.objects.in_force(NOW).get()
    assert (right.revision, right.input_rate, right.open_rates) == (1, Decimal(2), {"web_search": "0.020000000000"})
    assert acts_on(right.public_id) == [(OPERATOR, "provider_price.set")]
    states = console.get(reverse("admin:metering_providerprice_changelist")).content.decode()
    assert "corrected" in states
    assert "corrected" in console.get(reverse("admin:metering_providerprice_change", args=[wrong.pk])).content.decode()


def test_a_card_to_come_is_withdrawn_with_what_it_corrects_and_one_in_force_stands(console: Client, world: World) -> None:
    stands, begins = card(), datetime(2127, 1, 1, tzinfo=UTC)  # far ahead of the database's own clock
    card(effective_from=begins, input=Decimal(8))
    last = card(effective_from=begins, input=Decimal(9), correct=True)
    page = reverse("admin:metering_providerprice_withdraw", args=[stands.pk])
    assert "it cannot be withdrawn. Set a price that succeeds it instead." in submit(console, page).content.decode()
    assert "withdraw" not in console.get(reverse("admin:metering_providerprice_change", args=[stands.pk])).content.decode()
    answer = submit(console, reverse("admin:metering_providerprice_withdraw", args=[last.pk]))
    assert answer.status_code == 302
    assert list(ProviderPrice.objects.all()) == [stands]
    assert acts_on(last.public_id)[-1] == (OPERATOR, "provider_price.withdrawn")


def test_the_next_card_begins_with_the_rates_of_the_one_before(console: Client, world: World) -> None:
    standing = card(route="eu")
    form = console.get(reverse("admin:metering_providerprice_succeed", args=[standing.pk]), follow=True).context["form"]
    named = {name: form[name].value() for name in ("provider", "route", "model", "input", "open_rates")}
    assert named == {
        "provider": "azure",
        "route": "eu",
        "model": "codex-mini",
        "input": "1.000000",
        "open_rates": "web_search = 0.010000000000",
    }


def test_a_card_for_the_past_says_what_it_does_not_reach(console: Client, world: World) -> None:
    send(world.gateway, [an_event(make_key(world.acme), request_id="ours", provider="openai")])
    begins = {"effective_from_0": f"{LONG_AGO:%Y-%m-%d}", "effective_from_1": "00:00:00"}
    answer = submit(console, reverse(FORM), **CARD | begins | {"provider": "openai", "input": "1"})
    said = [str(each) for each in console.get(answer["Location"]).context["messages"]]
    assert said[0] == "What openai charges for codex-mini is set. New requests have their cost."
    assert said[1:] == [
        "1 request of its time was recorded before, with another cost or none. Work it out here, or by "
        "manage.py rerate_provider_costs codex-mini --from 2025-01-01T00:00:00Z"
    ]


def test_a_threshold_that_no_table_can_hold_is_refused_on_the_form(console: Client, world: World) -> None:
    answer = submit(console, reverse(FORM), **CARD | {"input": "1", "above_input_tokens": str(2**31)})
    assert answer.status_code == 200
    assert "must be a token count" in answer.content.decode()
    assert not ProviderPrice.objects.exists()


def test_costs_are_worked_out_again_by_a_job_in_the_operators_name(
    console: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(app, "send_task", lambda task, kwargs, retry: sent.append((task, kwargs)))
    send(world.gateway, [an_event(make_key(world.acme), request_id="ours", provider="azure")])
    page = reverse("admin:metering_providerprice_work_out", args=[card(effective_from=LONG_AGO).pk])
    many = UsageEvent.objects.filter(model__slug="codex-mini").count()
    assert f"{many} are looked at" in console.get(page).content.decode()
    answer = submit(console, page)
    assert answer["Location"] == reverse("admin:metering_jobrun_changelist")
    order = JobOrder.objects.get()
    assert sent == [("metering.work_out_costs", {"order": order.public_id})]
    assert UsageEvent.objects.get(request_id="ours").provider_cost is None
    for _ in range(2):  # messages come twice
        work_out_ordered_costs.apply(kwargs={"order": order.public_id})
    run = JobRun.objects.get()
    assert (run.outcome, run.started_by, run.result) == ("succeeded", OPERATOR, {"events": many, "changed": 2})
    assert UsageEvent.objects.get(request_id="ours").provider_cost == Decimal("0.003206")  # 2006 x 1 + 300 x 4 per million
    assert acts_on("usage") == [(OPERATOR, "provider_costs.rerated")]
    assert "Work out costs again" in console.get(answer["Location"]).content.decode()


def test_a_message_that_names_no_order_works_out_no_cost(world: World) -> None:
    send(world.gateway, [an_event(make_key(world.acme), request_id="ours", provider="azure")])
    card(effective_from=LONG_AGO)
    assert isinstance(work_out_ordered_costs.apply(kwargs={"order": "ord_0"}).result, NotOrdered)
    assert UsageEvent.objects.get(request_id="ours").provider_cost is None


def test_a_broker_that_is_away_is_said_and_no_cost_is_worked_out(
    console: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(app, "send_task", away)
    answer = submit(console, reverse("admin:metering_providerprice_work_out", args=[card(effective_from=LONG_AGO).pk]))
    said = [str(each) for each in console.get(answer["Location"]).context["messages"]]
    assert said == ["The broker does not accept the job, and no cost was worked out: nobody listens"]
    assert JobOrder.objects.get().finished_at is not None
