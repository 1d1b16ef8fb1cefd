"""A link to a page works whichever of the person's workspaces is current: they are switched to its workspace, and see so."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client

from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.models import Invoice
from metering.periods import parse_month
from tests.kit.factories import NOW, make_workspace
from tests.kit.pages import text_of, words_of
from tests.kit.people import browser_of, person
from tests.website.conftest import Tenant
from workspaces.models import Membership, User

SEPTEMBER = datetime.fromisoformat("2026-09-10T08:00:00+00:00")
SAID = "This page belongs to Rival, which is your current workspace now."


@pytest.fixture
def both(acme: Tenant, rival: Tenant) -> User:
    """An owner of Acme and of Rival; Acme comes first by name, so it is the current workspace."""
    user = person(acme.workspace, "owner")
    Membership.objects.create(workspace=rival.workspace, user=user, role="owner")
    return user


@pytest.fixture
def invoice(rival: Tenant, codex_mini: None, use: Callable[..., list[str]]) -> Invoice:
    use(rival.key, *[SEPTEMBER + timedelta(minutes=minute) for minute in range(10)])
    close_workspaces(parse_month("2026-09"), NOW, finalize=True)
    return Invoice.objects.get()


def current_of(client: Client) -> str:
    return str(client.session.get("workspace", ""))


@pytest.mark.parametrize("tail", ["", "/print"])
def test_an_invoice_of_another_workspace_is_found_and_becomes_current(
    both: User, rival: Tenant, invoice: Invoice, tail: str
) -> None:
    client, address = browser_of(both), f"/invoices/{invoice.public_id}{tail}"
    answer = client.get(address)
    assert (answer.status_code, answer["Location"]) == (302, address)
    assert current_of(client) == rival.workspace.public_id
    assert client.get(address).status_code == 200


def test_a_file_of_another_workspace_comes_at_once(both: User, rival: Tenant, invoice: Invoice) -> None:
    client = browser_of(both)
    answer = client.get(f"/invoices/{invoice.public_id}/pdf")
    assert (answer.status_code, answer["Content-Type"], answer.content[:5]) == (200, "application/pdf", b"%PDF-")
    assert current_of(client) == rival.workspace.public_id
    assert SAID in words_of(client.get("/invoices"))


def test_the_page_says_that_the_workspace_was_switched_once(both: User, invoice: Invoice) -> None:
    client, address = browser_of(both), f"/invoices/{invoice.public_id}"
    assert SAID in words_of(client.get(address, follow=True))
    assert SAID not in words_of(client.get(address))


def test_keys_and_requests_of_another_workspace_are_found(
    both: User, rival: Tenant, codex_mini: None, use: Callable[..., list[str]]
) -> None:
    (request_id,) = use(rival.key, NOW - timedelta(hours=1))
    for address in (f"/keys/{rival.key.public_id}", f"/usage/events/{request_id}"):
        client = browser_of(both)
        answer = client.get(address, follow=True)
        assert (answer.status_code, current_of(client)) == (200, rival.workspace.public_id), address
        assert SAID in words_of(answer)


def test_a_page_of_no_workspace_of_theirs_is_not_found_and_switches_nothing(both: User, acme: Tenant) -> None:
    stranger = make_workspace("Stranger")
    client = browser_of(both)
    for address in ("/invoices/inv_0000000000000000000000", f"/?workspace={stranger.public_id}", "/usage/events/req-none"):
        client.get(address)
    assert client.get("/invoices/inv_0000000000000000000000").status_code == 404
    assert client.get(f"/billing?workspace={stranger.public_id}").status_code == 404
    assert client.get("/billing?workspace=%00").status_code == 400
    assert current_of(client) == ""


def test_a_role_that_may_not_see_the_page_there_is_not_led_there(both: User, rival: Tenant, invoice: Invoice) -> None:
    Membership.objects.filter(workspace=rival.workspace).update(role="viewer")
    client = browser_of(both)
    assert client.get(f"/invoices/{invoice.public_id}").status_code == 404
    assert current_of(client) == ""


def test_a_form_is_never_sent_to_another_workspace(both: User, rival: Tenant) -> None:
    client = browser_of(both)
    assert client.post(f"/keys/{rival.key.public_id}/revoke").status_code == 404
    rival.key.refresh_from_db()
    assert rival.key.revoked_at is None
    assert current_of(client) == ""


def test_an_address_can_name_the_workspace(both: User, rival: Tenant, acme: Tenant) -> None:
    client = browser_of(both)
    answer = client.get(f"/billing?workspace={rival.workspace.public_id}&from=mail")
    assert (answer.status_code, answer["Location"]) == (302, "/billing?from=mail")
    assert SAID in words_of(client.get("/billing"))
    answer = client.get(f"/billing?workspace={rival.workspace.public_id}", follow=True)
    assert "which is your current workspace now" not in text_of(answer)
    assert current_of(client) == rival.workspace.public_id


def test_the_first_page_follows_the_address_too(both: User, rival: Tenant) -> None:
    client = browser_of(both)
    client.get(f"/?workspace={rival.workspace.public_id}")
    assert current_of(client) == rival.workspace.public_id
