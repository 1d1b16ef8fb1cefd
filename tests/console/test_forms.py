"""A form of the console acts once, however often and however fast it is sent, and says so."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from metering.console.money.workspaces import terms
from metering.credits import ledger
from metering.credits.models import CreditGrant
from tests.console.conftest import World
from tests.kit.factories import NOW
from workspaces.console.kit.models import SentForm
from workspaces.console.kit.sent_forms import LIVES, forget_old
from workspaces.models import User, Workspace

SENT_BEFORE = "This form was already sent. Check whether it took effect before you open it again."
OUT_OF_DATE = "This form is out of date, and nothing was done. Send it again."


def url_of(workspace: Workspace) -> str:
    return f"/admin/workspaces/workspace/{workspace.pk}/grant-credit/"


def form(console: Client, workspace: Workspace, **given: str) -> dict[str, str]:
    """What a browser would send of the form that it has open."""
    token = console.get(url_of(workspace)).context["form_token"]
    return {"kind": "goodwill", "amount": "50.00", "priority": "100", "form_token": token} | given


def granted() -> list[Decimal]:
    return list(CreditGrant.objects.values_list("amount", flat=True))


def test_the_second_click_finds_the_first_at_work(console: Client, world: World, monkeypatch: Any) -> None:
    body, other, answers = form(console, world.acme), Client(), []
    other.cookies = console.cookies
    grant = ledger.grant

    def slow(*given: Any, **more: Any) -> CreditGrant:
        if not answers:
            answers.append(other.post(url_of(world.acme), body))
        return grant(*given, **more)

    monkeypatch.setattr(terms.ledger, "grant", slow)
    assert console.post(url_of(world.acme), body).status_code == 302
    assert SENT_BEFORE in answers[0].content.decode()
    assert granted() == [Decimal("50.00")]


def test_a_refused_form_comes_back_with_a_token_that_works(console: Client, world: World) -> None:
    refused = console.post(url_of(world.acme), form(console, world.acme, expires_at_0="2020-01-01", expires_at_1="00:00"))
    assert "The credit would have expired already." in refused.content.decode()
    invalid = console.post(url_of(world.acme), form(console, world.acme, amount="no"))
    assert granted() == []
    for page in (refused, invalid):
        again = form(console, world.acme, form_token=page.context["form_token"])
        assert console.post(url_of(world.acme), again).status_code == 302
    assert granted() == [Decimal("50.00")] * 2


def test_any_number_of_forms_may_be_open_at_once(console: Client, world: World) -> None:
    opened = [form(console, world.acme, amount=f"{number}.00") for number in range(1, 31)]
    assert {console.post(url_of(world.acme), body).status_code for body in opened} == {302}
    assert sorted(granted()) == [Decimal(number) for number in range(1, 31)]


@pytest.mark.parametrize("token", ["", "made up", "WyIxIiwieCJd:1vJ:zzz"])
def test_a_token_that_is_not_ours_does_nothing(console: Client, world: World, token: str) -> None:
    answer = console.post(url_of(world.acme), form(console, world.acme, form_token=token))
    assert OUT_OF_DATE in answer.content.decode()
    assert granted() == []


def test_another_persons_form_does_nothing(console: Client, world: World) -> None:
    other = Client()
    other.force_login(
        User.objects.create_user("second@omixa.example", "a long enough password", is_staff=True),
    )
    answer = other.post(url_of(world.acme), form(console, world.acme))
    assert OUT_OF_DATE in answer.content.decode()
    assert granted() == []


def test_sent_forms_are_forgotten_when_none_of_them_is_taken_any_more(console: Client, world: World) -> None:
    body = form(console, world.acme)
    console.post(url_of(world.acme), body)
    assert forget_old(NOW + LIVES + timedelta(hours=23)) == 0
    with time_machine.travel(NOW + LIVES + timedelta(minutes=1)):
        console.force_login(User.objects.get(is_staff=True))
        assert OUT_OF_DATE in console.post(url_of(world.acme), body).content.decode()
    assert forget_old(NOW + LIVES + timedelta(days=2)) == 1
    assert (SentForm.objects.count(), granted()) == (0, [Decimal("50.00")])
