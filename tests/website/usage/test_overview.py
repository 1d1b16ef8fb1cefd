"""The first page of a signed-in member."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from metering.website.public.home import spend_change
from tests.kit.factories import NOW, make_key, make_workspace
from tests.kit.pages import text_of
from tests.kit.people import Browser, browser_of, person
from tests.website.conftest import Tenant
from workspaces.models import Membership

Use = Callable[..., list[str]]
EARLIER = datetime.fromisoformat("2026-09-10T08:00:00+00:00")


@pytest.mark.usefixtures("codex_mini")
def test_the_overview_shows_the_months_spend(acme: Tenant, owner: Client, use: Use) -> None:
    use(acme.key, *[NOW - timedelta(days=day, minutes=1) for day in range(4)])
    page = owner.get("/")
    api = owner.get("/api/v1/usage?start=2026-10-01T00:00:00Z&end=2026-11-01T00:00:00Z").json()["total"]
    assert api["cost"] == "0.010596000000"
    assert page.context["total"].cost == 4 * page.context["chart"].legend[0].total / 4
    text = text_of(page)
    assert 'title="$0.010596">$0.01<' in text
    assert 'title="4">4<' in text
    assert f'title="{api["input_tokens"]:,}">8,024<' in text


@pytest.mark.usefixtures("codex_mini")
def test_it_compares_with_the_same_share_of_the_month_before(acme: Tenant, owner: Client, use: Use) -> None:
    use(acme.key, NOW - timedelta(hours=1), NOW - timedelta(hours=2), NOW - timedelta(hours=3))
    use(acme.key, EARLIER, datetime.fromisoformat("2026-09-20T08:00:00+00:00"))
    text = text_of(owner.get("/"))
    assert "+200.0%" in text
    assert "1 Sep to 15 Sep" in text


@pytest.mark.usefixtures("codex_mini")
def test_spend_where_there_was_none_is_called_new(acme: Tenant, owner: Client, use: Use) -> None:
    use(acme.key, NOW - timedelta(hours=1))
    text = " ".join(text_of(owner.get("/")).split())
    assert ">New:</span> nothing spent 1 Sep to 15 Sep<" in text
    assert "%</span>" not in text


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        ("3", "1", "+200.0%"),
        ("1", "4", "\u221275.0%"),
        ("1", "1", "0.0%"),
        ("10.99", "1", "+999.0%"),
        ("10.991", "1", "More than 10 times"),
        ("2877.595", "1", "More than 10 times"),
        ("0", "0", None),
    ],
)
def test_how_a_change_is_said(now: str, before: str, said: str | None) -> None:
    found = spend_change(Decimal(now), Decimal(before))
    assert (found and found.figure) == said


def test_the_title_says_the_days_that_have_begun(owner: Client) -> None:
    assert "<p>1 to 15 Oct 2026, UTC</p>" in text_of(owner.get("/"))
    assert "<p>9 to 15 Oct 2026, UTC</p>" in text_of(owner.get("/?range=7d"))
    assert "<p>16 Sep to 15 Oct 2026, UTC</p>" in text_of(owner.get("/?range=30d"))
    assert ">1 to 15 Oct 2026<" in text_of(owner.get("/usage"))
    assert "<p>1 to 30 Sep 2026</p>" in text_of(owner.get("/usage/events?range=last_month"))
    assert "<p>15 Oct 2026</p>" in text_of(owner.get("/usage/events?range=custom&start=2026-10-15&end=2026-10-15"))
    assert "<p>31 Dec 2026 to 2 Jan 2027</p>" in text_of(
        owner.get("/usage/events?range=custom&start=2026-12-31&end=2027-01-02")
    )


@pytest.mark.usefixtures("codex_mini")
def test_a_range_can_be_picked(acme: Tenant, owner: Client, use: Use) -> None:
    use(acme.key, NOW - timedelta(days=6), NOW - timedelta(days=7))
    assert owner.get("/?range=7d").context["total"].requests == 1
    assert owner.get("/?range=30d").context["total"].requests == 2
    assert owner.get("/?range=nonsense").context["span"].name == "month"


def test_unpriced_requests_are_announced_and_not_shown_as_free(acme: Tenant, owner: Client, use: Use) -> None:
    use(acme.key, NOW - timedelta(hours=1), model="unknown-model")
    text = text_of(owner.get("/"))
    assert "1 request without a price yet" in text
    assert owner.get("/").context["chart"].is_empty


@pytest.mark.usefixtures("codex_mini")
def test_the_keys_that_cost_most_come_first(acme: Tenant, owner: Client, use: Use) -> None:
    busy = make_key(acme.workspace, name="busy")
    use(acme.key, NOW - timedelta(hours=1))
    use(busy, NOW - timedelta(hours=1), NOW - timedelta(hours=2))
    top = owner.get("/").context["top_keys"]
    assert [(each.key.name, each.row.requests, each.share) for each in top] == [("busy", 2, 100), ("server", 1, 50)]


@pytest.mark.usefixtures("codex_mini")
def test_nothing_of_a_stranger_is_on_it(acme: Tenant, rival: Tenant, owner: Client, use: Use) -> None:
    use(rival.key, NOW - timedelta(hours=1))
    text = text_of(owner.get("/"))
    assert "rival" not in text.lower()
    assert "Send the first request" in text


def test_a_new_workspace_is_told_what_to_do_first(acme: Tenant, owner: Client) -> None:
    page = owner.get("/")
    assert page.context["has_key"] is True
    assert "Send the first request" in text_of(page)


@pytest.mark.usefixtures("codex_mini")
def test_the_upcoming_invoice_is_for_those_who_may_see_invoices(acme: Tenant, as_role: Browser, use: Use) -> None:
    use(acme.key, NOW - timedelta(hours=1))
    assert "Upcoming invoice" in text_of(as_role("billing").get("/"))
    viewer = text_of(as_role("viewer").get("/"))
    assert "Upcoming invoice" not in viewer
    assert 'href="/invoices"' not in viewer


def test_somebody_without_a_workspace_is_told_so(db: None) -> None:
    client = browser_of(person(None, "viewer", "lost@example.com"))
    for address in ("/", "/usage", "/keys"):
        text = text_of(client.get(address))
        assert "You are not in a workspace yet" in text
        assert "/admin/" not in text


def test_an_operator_without_a_workspace_is_led_to_the_console(db: None) -> None:
    user = person(None, "viewer", "operator@example.com")
    user.is_staff = True
    user.save()
    assert 'href="/admin/"' in text_of(browser_of(user).get("/"))


def test_a_member_of_two_workspaces_switches_between_them(acme: Tenant, db: None) -> None:
    second = make_workspace("Zebra")
    user = person(acme.workspace, "owner")
    Membership.objects.create(workspace=second, user=user, role="viewer")
    client = browser_of(user)
    assert "Acme" in text_of(client.get("/settings"))
    assert client.post("/workspace", {"workspace": second.public_id}).url == "/"  # type: ignore[attr-defined]
    assert second.public_id in text_of(client.get("/settings"))


def test_nobody_switches_to_a_strangers_workspace(acme: Tenant, rival: Tenant, owner: Client) -> None:
    owner.post("/workspace", {"workspace": rival.workspace.public_id})
    assert acme.workspace.public_id in text_of(owner.get("/settings"))
    assert owner.get("/workspace").status_code == 405


@pytest.mark.parametrize(
    "address", ["/usage", "/usage/events", "/usage/events/x", "/keys", "/keys/new", "/invoices", "/settings"]
)
def test_a_stranger_is_asked_to_sign_in(client: Client, db: None, address: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={address}")
