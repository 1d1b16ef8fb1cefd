"""What the search for faults found, each as the smallest request that showed it."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule

from metering.catalogue.models import LanguageModel
from metering.invoicing.models import Invoice
from tests.fuzz.conduct import written

NO_KEYS = ["²", "a", "\x0b", "\ufffd", "1.5", "9" * 400, "9" * 5_000, "9223372036854775808", "-1"]


@pytest.mark.parametrize("typed", NO_KEYS)
@pytest.mark.parametrize("page", ["metering_usageevent_changelist", "metering_priceversion_add", "workspaces_apikey_add"])
def test_a_workspace_that_is_none_is_no_choice_of_a_form(operator: Client, page: str, typed: str) -> None:
    assert operator.get(reverse(f"admin:{page}"), {"workspace": typed}).status_code == 200


@pytest.mark.parametrize("typed", NO_KEYS)
def test_a_form_that_names_no_row_is_shown_again_with_the_error_beside_the_field(operator: Client, typed: str) -> None:
    row = LanguageModel.objects.get(slug="codex-mini")
    page = reverse("admin:metering_languagemodel_change", args=[row.pk])
    answer = operator.post(page, {"slug": row.slug, "name": "Another", "status": row.status, "alias_of": typed})
    assert answer.status_code == 200
    assert "alias_of" in answer.context["adminform"].form.errors
    assert LanguageModel.objects.get(pk=row.pk).name == row.name


@pytest.mark.parametrize("typed", ["²", "9" * 5_000, "0", "-1", "77"])
def test_a_page_of_rows_that_there_is_not_is_the_first(operator: Client, typed: str) -> None:
    page = reverse("admin:metering_invoice_change", args=[Invoice.objects.earliest("pk").pk])
    assert operator.get(page, {"lines-page": typed}).status_code == 200


def test_an_empty_name_of_a_field_names_none(operator: Client) -> None:
    page = reverse("admin:metering_invoice_change", args=[Invoice.objects.earliest("pk").pk])
    assert operator.get(page, {"_to_field": ""}).status_code == 200


@pytest.mark.parametrize("typed", NO_KEYS[:-1])
@pytest.mark.parametrize("table", ["django_celery_beat_periodictask", "metering_quarantinedevent"])
def test_an_action_on_what_is_no_row_says_so_and_does_nothing(operator: Client, table: str, typed: str) -> None:
    page = reverse(f"admin:{table}_changelist")
    model = admin.site._registry[
        next(each for each in admin.site._registry if each._meta.label_lower.replace(".", "_") == table)
    ]
    action = next(iter(model.get_actions(operator.get(page).wsgi_request)))
    first = model.model._default_manager.earliest("pk").pk
    answer = operator.post(page, {"action": action, "_selected_action": [first, typed], "index": 0}, follow=True)
    assert answer.redirect_chain == [(page, 302)]
    assert "Nothing was done: you chose a row that is not in this list." in answer.content.decode()


@pytest.mark.parametrize(
    ("name", "typed"),
    [("minute", ","), ("minute", "-1"), ("hour", "24"), ("day_of_month", "-1"), ("month_of_year", "-9223372036854775809")],
)
def test_a_time_that_celery_cannot_read_is_refused_beside_its_field(operator: Client, name: str, typed: str) -> None:
    row = CrontabSchedule.objects.earliest("pk")
    page = reverse("admin:django_celery_beat_crontabschedule_change", args=[row.pk])
    times = dict.fromkeys(("minute", "hour", "day_of_week", "day_of_month", "month_of_year"), "*")
    answer = operator.post(page, times | {"timezone": "UTC", name: typed})
    assert answer.status_code == 200
    assert name in answer.context["adminform"].form.errors
    assert getattr(CrontabSchedule.objects.get(pk=row.pk), name) == getattr(row, name)


def test_what_a_form_held_at_first_is_not_asked_back(operator: Client) -> None:
    times = dict.fromkeys(("minute", "hour", "day_of_week", "day_of_month", "month_of_year"), "7")
    page = reverse("admin:django_celery_beat_crontabschedule_add")
    answer = operator.post(page, times | {"day_of_week": "0", "timezone": "UTC", "initial-timezone": "9" * 400})
    assert answer.status_code == 302


@pytest.mark.parametrize("typed", ["\u00b2", "a", "   ", "1.5", "9" * 400, "9" * 5_000, "9223372036854775808"])
def test_the_page_of_an_act_on_what_can_be_no_row_is_not_found(operator: Client, typed: str) -> None:
    for act in ("workspaces_gateway_reach", "workspaces_apikey_rotate", "metering_invoice_void", "metering_payment_refund"):
        assert operator.get(reverse(f"admin:{act}", args=[typed])).status_code == 404, act


def test_what_a_refused_form_had_written_and_took_back_is_not_held_against_it() -> None:
    inner = ['SAVEPOINT "b"', 'UPDATE "a" SET x = 3', 'RELEASE SAVEPOINT "b"']
    statements = ['UPDATE "a" SET x = 1', 'SAVEPOINT "a"', 'INSERT INTO "a" VALUES (2)', *inner, 'ROLLBACK TO SAVEPOINT "a"']
    assert written(statements) == ['UPDATE "a" SET x = 1']
    assert written([*statements[:-1], 'RELEASE SAVEPOINT "a"']) == [statements[0], statements[2], inner[1]]
    assert written(['INSERT INTO "django_session" VALUES (1)']) == []
