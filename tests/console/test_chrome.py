"""What surrounds the pages: the navigation, the words of empty lists, and what the schedule lets go."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from tests.console.conftest import OPERATOR, World
from workspaces.models import AuditEntry

pytestmark = pytest.mark.django_db


def words(console: Client, page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", console.get(page).content.decode()).split())


@pytest.mark.parametrize(
    ("title", "name"),
    [("Payment attempts", "paymentattempt"), ("Top-ups", "topup"), ("Disputes", "dispute"), ("Credit notes", "creditnote")],
)
def test_every_table_of_money_has_its_entry(console: Client, title: str, name: str) -> None:
    listing = reverse(f"admin:metering_{name}_changelist")
    page = " ".join(console.get("/admin/").content.decode().split())
    assert re.search(rf'href="{listing}"[^>]*>.*?{title}', page)
    assert f"{title} | Omixa billing" in console.get(listing).content.decode()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("metering_payment", "Money appears here when it arrives through Stripe, or when an invoice is marked as paid."),
        ("metering_paymentattempt", "Every attempt to collect an invoice or a top-up through Stripe appears here."),
        (
            "metering_dispute",
            "Disputed payments appear here as soon as Stripe reports them, and chargebacks once they are recorded.",
        ),
        ("metering_notice", "Mails to workspaces and to operators appear here automatically, and are sent within a minute."),
        ("metering_creditnote", "A credit note is issued on the page of the invoice that it lowers."),
        ("metering_jobrun", "Each run of a job appears here."),
    ],
)
def test_an_empty_list_says_where_its_rows_come_from(console: Client, name: str, said: str) -> None:
    listing = reverse(f"admin:{name}_changelist")
    page = words(console, listing)
    assert f"Nothing here yet {said}" in page
    assert "Create a new item" not in page
    assert f'href="{listing}add/"' not in console.get(listing).content.decode()


def test_an_empty_list_that_can_be_filled_offers_it(console: Client) -> None:
    listing = reverse("admin:metering_taxrate_changelist")
    assert "Add the first tax rate" in words(console, listing)


def test_a_filter_that_finds_nothing_says_so(console: Client, world: World) -> None:
    listing = reverse("admin:metering_invoice_changelist")
    for asked in ("?q=nobody", "?month=2020-01", "?receivable=overdue"):
        assert "Nothing matches No invoice matches the search and filters. Show all" in words(console, f"{listing}{asked}")


def test_only_a_schedule_that_a_person_made_is_deleted(console: Client) -> None:
    own = PeriodicTask.objects.get(task="metering.send_notices")
    every = IntervalSchedule.objects.create(every=7, period="days")
    made = PeriodicTask.objects.create(name="Once more a week", task="metering.send_notices", interval=every)

    def delete(task: PeriodicTask) -> str:
        return reverse("admin:django_celery_beat_periodictask_delete", args=[task.pk])

    def page(task: PeriodicTask) -> str:
        return console.get(reverse("admin:django_celery_beat_periodictask_change", args=[task.pk])).content.decode()

    assert (delete(own) in page(own), delete(made) in page(made)) == (False, True)
    assert console.post(delete(own), {"post": "yes"}).status_code == 403
    assert console.post(delete(made), {"post": "yes"}).status_code == 302
    listing = reverse("admin:django_celery_beat_periodictask_changelist")
    console.post(listing, {"action": "delete_selected", "_selected_action": [own.pk], "post": "yes"})
    assert list(PeriodicTask.objects.filter(task="metering.send_notices")) == [own]
    assert "delete_selected" not in console.get(listing).content.decode()


def test_switching_jobs_on_and_off_is_in_the_trail_by_name(console: Client) -> None:
    """Also by the toggle; a job that was on or off already adds nothing."""
    mails = PeriodicTask.objects.get(task="metering.send_notices")
    closing = PeriodicTask.objects.get(name="Close ended months")
    listing = reverse("admin:django_celery_beat_periodictask_changelist")

    def act(name: str, *tasks: PeriodicTask) -> None:
        assert console.post(listing, {"action": name, "_selected_action": [task.pk for task in tasks]}).status_code == 302

    act("disable_tasks", mails)
    act("disable_tasks", mails, closing)
    act("enable_tasks", mails)
    act("toggle_tasks", mails, closing)
    entries = AuditEntry.objects.filter(action__startswith="schedule.").order_by("pk")
    assert list(entries.values_list("actor", "action", "target", "detail__name")) == [
        (OPERATOR, "schedule.disabled", "metering.send_notices", "Send mails"),
        (OPERATOR, "schedule.disabled", closing.task, "Close ended months"),
        (OPERATOR, "schedule.enabled", "metering.send_notices", "Send mails"),
        (OPERATOR, "schedule.enabled", closing.task, "Close ended months"),
        (OPERATOR, "schedule.disabled", "metering.send_notices", "Send mails"),
    ]
    enabled = PeriodicTask.objects.filter(pk__in=[mails.pk, closing.pk]).values_list("task", "enabled")
    assert dict(enabled) == {"metering.send_notices": False, closing.task: True}
