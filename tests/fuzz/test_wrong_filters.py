"""What a list of the console cannot be narrowed to is said on it: nobody takes the whole list for the answer."""

import html

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from metering.ingest.models import UsageEvent
from metering.journal.models import JournalPosting
from workspaces.console.kit.wrong_filters import LEFT_OUT

INVOICES = "/admin/metering/invoice/"
QUARANTINE = "/admin/metering/quarantinedevent/"


def said(client: Client, address: str) -> str:
    answer = client.get(address, follow=True)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (f"{INVOICES}?status__exact=paidd", "The filter “status” cannot be read. Select a valid choice. paidd is not one of"),
        (f"{INVOICES}?month=2026-13", "The filter “month” cannot be read. Select a valid choice. 2026-13 is not one of"),
        (f"{INVOICES}?workspace__id__exact=999999", "The filter “workspace” cannot be read. Select a valid choice."),
        (f"{QUARANTINE}?state=opened", "The filter “state” cannot be read. Select a valid choice. opened is not one of"),
        (f"{QUARANTINE}?created_at_from=yesterday", "cannot be read. Enter a valid date."),
        (f"{QUARANTINE}?created_at_to=2026-02-30", "cannot be read. Enter a valid date."),
        (
            "/admin/workspaces/apikey/?state=live",
            "The filter “status” cannot be read. Select a valid choice. live is not one of",
        ),
        (f"{INVOICES}?workspace__id__exact=acme", LEFT_OUT),
        (f"{INVOICES}?colour=red", LEFT_OUT),
        (f"{INVOICES}?e=1&colour=red", LEFT_OUT),
    ],
)
def test_a_filter_that_cannot_be_read_is_said(operator: Client, address: str, sentence: str) -> None:
    assert sentence in said(operator, address)


@pytest.mark.parametrize(
    "address",
    [
        INVOICES,
        f"{INVOICES}?status__exact=open",
        f"{QUARANTINE}?state=all&created_at_from=2026-10-01&created_at_to=",
        "/admin/workspaces/auditentry/?target=anything",
    ],
)
def test_a_filter_that_can_be_read_says_nothing(operator: Client, address: str) -> None:
    shown = said(operator, address)
    assert "cannot be read" not in shown
    assert LEFT_OUT not in shown


def test_a_filter_repeats_no_more_of_what_was_typed_than_a_person_can_read(operator: Client) -> None:
    answer = operator.get(f"{INVOICES}?status__exact={'a' * 5_000}")
    [message] = map(str, answer.context["messages"])
    assert message.startswith("The filter “status” cannot be read. Select a valid choice. aaaa")
    assert len(message) == 237


def lists() -> list[tuple[type[Model], str]]:
    tables = [model for model in admin.site._registry if model not in (UsageEvent, JournalPosting)]  # no lists of Django's
    return [(each, reverse(f"admin:{each._meta.app_label}_{each._meta.model_name}_changelist")) for each in tables]


def test_no_list_answers_questions_about_fields_that_it_does_not_filter_by(operator: Client) -> None:
    """A colleague's second factor, the hash of a password or key: found letter by letter from what the list shows."""
    secret = [("authenticator", "data__secret__startswith"), ("user", "password__startswith"), ("notice", "context__contains")]
    addresses = {model._meta.model_name: address for model, address in lists()}
    for name, lookup in secret:
        assert operator.get(f"{addresses[name]}?{lookup}=m").status_code == 400, lookup


def test_no_list_follows_a_relation_that_it_does_not_filter_by(operator: Client) -> None:
    for _, address in lists():
        for lookup in ("workspace__memberships__user__password__startswith", "workspace__email__regex"):
            answer = operator.get(f"{address}?{lookup}=m")
            assert (answer.status_code, answer.headers.get("Location")) in [(400, None), (302, f"{address}?e=1")], address


def test_every_field_that_a_list_does_not_filter_by_is_refused(operator: Client) -> None:
    for model, address in lists():
        table = admin.site._registry[model]
        for field in model._meta.concrete_fields:
            if field.name not in table._narrowed_by():
                assert operator.get(f"{address}?{field.name}__startswith=m").status_code == 400, (address, field.name)
