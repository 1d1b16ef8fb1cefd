"""Every page of the console answers an operator, and nobody else."""

import pytest
from django.test import Client
from django.urls import reverse

from metering.ingest.models import QuarantinedEvent
from tests.console.conftest import World
from tests.console.pages import every_page
from workspaces.models import AuditEntry, User


def test_every_page_answers_an_operator(console: Client, world: World) -> None:
    answers = {page: console.get(page).status_code for page in every_page(world)}
    assert {page: status for page, status in answers.items() if status != 200} == {}


def test_a_customer_is_refused_on_every_page(customer: Client, world: World) -> None:
    for page in every_page(world):
        assert customer.get(page, follow=True).status_code == 403, page


def test_a_stranger_is_sent_to_the_page_everybody_uses(client: Client, world: World) -> None:
    for page in every_page(world):
        answer = client.get(page, follow=True)
        assert answer.redirect_chain[-1][0].startswith("/accounts/login/?next="), page


def test_an_operator_who_was_switched_off_is_refused(console: Client, operator: User) -> None:
    User.objects.filter(pk=operator.pk).update(is_active=False)
    assert console.get("/admin/").status_code == 302


@pytest.mark.parametrize("name", ["metering_batch", "metering_quarantinedevent", "metering_invoice", "workspaces_auditentry"])
def test_facts_cannot_be_added_changed_or_deleted(console: Client, world: World, name: str) -> None:
    pk = {
        "metering_batch": world.batch.pk,
        "metering_quarantinedevent": QuarantinedEvent.objects.earliest("pk").pk,
        "metering_invoice": world.invoice.pk,
        "workspaces_auditentry": AuditEntry.objects.earliest("pk").pk,
    }[name]
    assert console.get(reverse(f"admin:{name}_add")).status_code == 403
    assert console.post(reverse(f"admin:{name}_change", args=[pk]), {}).status_code == 403
    assert console.post(reverse(f"admin:{name}_delete", args=[pk]), {"post": "yes"}).status_code == 403


def test_a_thing_is_found_by_its_id_from_anywhere(console: Client, world: World) -> None:
    found = console.get("/admin/search/", {"s": world.key.public_id, "extended": "1"}).content.decode()
    assert reverse("admin:workspaces_apikey_change", args=[world.key.pk]) in found
    assert reverse("admin:workspaces_apikey_change", args=[world.test_key.pk]) not in found
