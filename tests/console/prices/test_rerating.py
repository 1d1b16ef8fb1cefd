"""Re-rating at the console: a dry run, an order with a reason, and how far it is. For operators only."""

import re
from datetime import UTC, datetime
from decimal import Decimal

from django.test import Client
from django.urls import reverse

from metering.catalogue.models import PriceVersion
from metering.ingest.models import UsageEvent
from metering.invoicing.lifecycle.finalize import finalize
from metering.revisions.rerating.jobs import continue_orders
from metering.rollups.models import Rerating
from tests.console.conftest import OPERATOR, World
from tests.kit.corrections import SMALL_USAGE, correct, replace, void
from tests.kit.factories import NOW
from tests.kit.operator import submit
from tests.kit.rerating import correct_price
from workspaces.models import AuditEntry

LIST = "admin:metering_rerating_changelist"
DRY_RUN = "admin:metering_rerating_add"
ORDER = "admin:metering_rerating_order"
SINCE = {"start_0": "2026-09-01", "start_1": "00:00:00"}


def page(console: Client, name: str, *args: int, **query: str) -> str:
    answer = console.get(reverse(name, args=args), query)
    assert answer.status_code == 200, answer
    return " ".join(answer.content.decode().split())


def test_a_price_set_for_the_past_leads_to_the_dry_run_and_the_order(console: Client, world: World) -> None:
    finalize(world.invoice.pk, "tests", NOW)
    price = correct_price(effective_from=datetime(2026, 9, 1, tzinfo=UTC))
    shown = page(console, "admin:metering_priceversion_change", price.pk)
    assert "5 requests of its time keep another version&#x27;s price." in shown
    query = {"model": "codex-mini", **SINCE}
    assert "start_0=2026-09-01&amp;start_1=00%3A00%3A00" in shown

    dry = page(console, DRY_RUN, **query)
    assert "Rate 5 requests again" in dry
    assert "1 of the months is invoiced already" in dry
    assert "+$0.000129" in dry  # Acme's October: three of them at 43 micro-dollars more
    assert not Rerating.objects.exists()

    where = f"{reverse(ORDER)}?model=codex-mini&start_0=2026-09-01&start_1=00:00:00"
    answer = submit(console, where, reason="")
    assert (answer.status_code, Rerating.objects.count()) == (200, 0)
    answer = submit(console, where, reason="a wrong price")
    order = Rerating.objects.get()
    assert answer["Location"] == reverse("admin:metering_rerating_change", args=[order.pk])
    assert (order.actor, order.reason, len(order.plan)) == (OPERATOR, "a wrong price", 3)
    assert AuditEntry.objects.get(action="rerating.ordered").actor == OPERATOR

    running = page(console, "admin:metering_rerating_change", order.pk)
    assert f'hx-get="{reverse("admin:metering_rerating_progress", args=[order.pk])}"' in running
    assert "0 of about 5 requests" in running
    continue_orders(NOW)
    done = page(console, "admin:metering_rerating_progress", order.pk)
    assert "hx-get" not in done
    assert "5 requests changed of 5 looked at" in done
    assert "$0.013245 → $0.013460, difference +$0.000215" in re.sub("</?span[^>]*>", "", done)
    assert order.public_id in page(console, LIST)
    assert "No request of its time keeps another price." in page(console, "admin:metering_priceversion_change", price.pk)
    assert "Nothing: every request is rated by the price in force at its time." in page(console, DRY_RUN, **query)
    answer = submit(console, where, reason="again")
    assert "Nothing would change any more" in answer.content.decode()


def test_a_scope_that_makes_no_sense_is_refused(console: Client, world: World) -> None:
    assert "There is no such model." in page(console, DRY_RUN, model="nothing", **SINCE)
    late = {"end_0": "2026-08-01", "end_1": "00:00:00"}
    assert "The end is not after the beginning." in page(console, DRY_RUN, **SINCE, **late)
    assert console.get(reverse(ORDER), late).status_code == 302


def test_only_operators_come_in(customer: Client, world: World) -> None:
    for name in (LIST, DRY_RUN, ORDER):
        assert customer.get(reverse(name)).status_code == 302
    assert Client().get(reverse(LIST)).status_code == 302


def test_the_console_form_corrects_a_price_only_when_asked_to(console: Client, world: World) -> None:
    given = {"model": "codex-mini", "service_tier": "default", "above_input_tokens": "0", "output": "6", "input": "2"}
    given |= {"effective_from_0": "2025-01-01", "effective_from_1": "00:00:00"}
    form = reverse("admin:metering_priceversion_add")
    assert "or ask for it to be corrected" in submit(console, form, **given).content.decode()
    answer = submit(console, form, **given, correct="on")
    assert answer.status_code == 302
    for state, versions in (("in force", [1]), ("succeeded", []), ("corrected", [0])):
        listed = console.get(reverse("admin:metering_priceversion_changelist"), {"state": state}).context["cl"].result_list
        assert [price.revision for price in listed] == versions
    newest = PriceVersion.objects.get(revision=1)
    assert (newest.input_rate, newest.effective_from) == (Decimal(2), datetime(2025, 1, 1, tzinfo=UTC))


def test_an_events_page_shows_its_trail_and_by_whom(console: Client, world: World) -> None:
    correct(world.gateway, replace(world.key, SMALL_USAGE, "today-1", reason="the provider's count"))
    correct(world.gateway, void(world.key, "today-1"))
    event = UsageEvent.objects.get(request_id="today-1")
    address = {"workspace": str(event.workspace_id), "at": event.occurred_at.isoformat(), "id": str(event.pk)}
    shown = page(console, "admin:metering_usageevent_one", **address)
    for words in (
        "What was corrected since",
        "the provider&#x27;s count",
        "$0.002649 → $0.002100",
        "2,006 → 1,000",
        "$0.002100 → $0.000000",
        "A correction took it back",
        "eu-1",
    ):
        assert words in shown, words
    events = {"workspace": str(world.acme.pk)}
    assert "today-1" not in page(console, "admin:metering_usageevent_changelist", **events)
    assert "today-1" in page(console, "admin:metering_usageevent_changelist", **events, status="voided")
