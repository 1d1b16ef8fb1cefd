"""Workspaces hear of prices that change before they do, once each, and by mail if they wish."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from metering.alerts.preferences import change_alert_settings
from metering.alerts.price_changes import announce_price_changes
from metering.catalogue.coming_prices import coming_for, coming_prices
from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.set_price import set_price
from metering.catalogue.withdraw_price import withdraw_price
from metering.notifications.models import Notification
from metering.payments.mails.models import Notice
from metering.payments.mails.texts import build_mail
from tests.kit.factories import NOW, an_event, make_gateway, make_key, make_price, make_workspace, send
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db

BEGINS = NOW + timedelta(days=10)


def user_of_the_model(name: str = "Acme") -> Workspace:
    workspace = make_workspace(name)
    send(make_gateway(f"of {name}"), [an_event(make_key(workspace))])
    return workspace


def dearer(**extra: Any) -> PriceVersion:
    rates = {"input": Decimal("1.8"), "cached_input": Decimal("0.375"), "output": Decimal(6)}
    return set_price("codex-mini", **{**rates, "actor": "test", "now": NOW, "effective_from": BEGINS, **extra})


def wish(workspace: Workspace) -> None:
    change_alert_settings(workspace, {"price_changes": True}, "test", NOW)


def test_a_price_that_changes_is_announced_once_and_mailed_to_who_wishes_so() -> None:
    make_price()
    notified, mailed = user_of_the_model("Notified"), user_of_the_model("Mailed")
    make_workspace("Uses nothing")
    wish(mailed)
    version = dearer()
    assert announce_price_changes(NOW) == {"coming": 1, "announced": 2, "withdrawn": 0}
    assert announce_price_changes(NOW + timedelta(hours=1)) == {"coming": 1, "announced": 0, "withdrawn": 0}
    assert set(Notification.objects.values_list("workspace", "type")) == {
        (notified.pk, "price.changing"),
        (mailed.pk, "price.changing"),
    }
    notice = Notice.objects.get(kind="price_changing")
    assert notice.workspace == mailed
    mail = build_mail(notice.kind, notice.context)
    assert mail.subject == "Prices change on 2026-10-25"
    assert mail.facts == [("codex-mini, input", "1.500000 → 1.800000 USD for 1M tokens")]
    assert version.public_id in notice.key


def test_many_prices_to_come_take_as_many_statements_as_one() -> None:
    make_price()
    workspace = user_of_the_model()
    dearer()
    announce_price_changes(NOW)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            announce_price_changes(NOW)
            coming_for([*LanguageModel.objects.all()], NOW, workspace)
        return len(captured)

    few = statements()
    for number in range(20):
        make_price(f"model-{number}")
        set_price(f"model-{number}", input=Decimal(9), output=Decimal(9), actor="test", now=NOW, effective_from=BEGINS)
    assert statements() == few


def test_a_price_of_its_own_above_a_threshold_leaves_shorter_requests_to_the_list() -> None:
    make_price()
    workspace = user_of_the_model()
    make_price(workspace=workspace, above_input_tokens=200_000)
    dearer()
    assert announce_price_changes(NOW) == {"coming": 1, "announced": 1, "withdrawn": 0}


def test_what_is_set_later_for_the_same_day_is_a_mail_of_its_own_and_repeats_nothing() -> None:
    make_price()
    make_price("grok-3")
    workspace = user_of_the_model()
    send(make_gateway("2"), [an_event(make_key(workspace), request_id="2", model="grok-3")])
    wish(workspace)
    dearer()
    announce_price_changes(NOW)
    set_price("grok-3", input=Decimal(2), output=Decimal(6), actor="test", now=NOW, effective_from=BEGINS)
    assert announce_price_changes(NOW) == {"coming": 2, "announced": 1, "withdrawn": 0}
    lines = [each.context["lines"] for each in Notice.objects.filter(kind="price_changing").order_by("id")]
    assert lines[0].startswith("codex-mini, input|")
    assert lines[1].startswith("grok-3, input|")


def test_nobody_hears_of_what_is_far_off_or_does_not_concern_them() -> None:
    make_price()
    workspace = user_of_the_model()
    dearer(effective_from=NOW + timedelta(days=31))
    assert announce_price_changes(NOW) == {"coming": 0, "announced": 0, "withdrawn": 0}
    make_price(input="1", workspace=workspace)
    assert announce_price_changes(NOW + timedelta(days=2)) == {"coming": 1, "announced": 0, "withdrawn": 0}


def test_a_price_of_ones_own_concerns_that_workspace_alone() -> None:
    make_price()
    workspace, _other = user_of_the_model("Mine"), user_of_the_model("Other")
    dearer(workspace=workspace)
    assert announce_price_changes(NOW) == {"coming": 1, "announced": 1, "withdrawn": 0}
    assert Notification.objects.get().workspace == workspace


def test_of_a_version_that_was_corrected_before_it_began_the_correction_is_told() -> None:
    make_price()
    user_of_the_model()
    dearer()
    right = dearer(input=Decimal("1.6"), correct=True)
    same = set_price(
        "codex-mini",
        input=Decimal("1.6"),
        cached_input=Decimal("0.375"),
        output=Decimal(6),
        effective_from=BEGINS + timedelta(days=1),
        actor="test",
        now=NOW,
    )
    assert announce_price_changes(NOW) == {"coming": 1, "announced": 1, "withdrawn": 0}
    assert Notification.objects.get().data["price_id"] == right.public_id != same.public_id


def test_the_models_pages_say_what_a_model_will_cost_and_from_when(client: Client) -> None:
    make_price()
    LanguageModel.objects.update(status="listed")
    dearer()
    page = " ".join(client.get("/models/codex-mini").content.decode().split())
    assert "From 25 October 2026, 12:00 UTC" in page
    assert "Input per 1M tokens: $1.80 instead of $1.50." in page
    assert "New price from" in client.get("/models").content.decode()
    assert "From 2026-10-25 12:00 UTC (default" in client.get("/models/codex-mini?format=md").content.decode()


def test_a_workspace_with_its_own_price_is_shown_its_own_change_and_not_the_lists() -> None:
    model = make_price().model
    workspace = make_workspace()
    make_price(input="1", workspace=workspace)
    dearer()
    mine = dearer(workspace=workspace, input=Decimal("1.1"), effective_from=BEGINS + timedelta(days=1))
    assert [each.version for each in coming_for([model], NOW, workspace)[model.pk]] == [mine]
    assert len(coming_for([model], NOW, None)[model.pk]) == 1


def withdrawals() -> list[tuple[int | None, str]]:
    notified = Notification.objects.filter(type="price.change_withdrawn").order_by("id")
    return list(notified.values_list("workspace_id", "data__price_id"))


def test_a_change_that_was_announced_and_is_withdrawn_is_told_once_and_mailed_to_who_wishes_so() -> None:
    begins = datetime(2127, 1, 1, tzinfo=UTC)  # far ahead of the database's own clock
    now = begins - timedelta(days=10)
    make_price()
    notified, mailed = make_workspace("Notified"), make_workspace("Mailed")
    wish(mailed)
    withdrawn, also, stays = (dearer(workspace=each, effective_from=begins) for each in (notified, mailed, make_workspace()))
    assert announce_price_changes(now)["announced"] == 3
    ids = [(each.workspace_id, each.public_id) for each in (withdrawn, also)]
    withdraw_price(withdrawn, "test", now)
    withdraw_price(also, "test", now)
    assert announce_price_changes(now) == {"coming": 1, "announced": 0, "withdrawn": 2}
    assert announce_price_changes(now + timedelta(hours=1))["withdrawn"] == 0
    assert withdrawals() == ids
    assert announce_price_changes(begins)["withdrawn"] == 0, f"{stays} has begun"
    (notice,) = Notice.objects.filter(kind="price_change_withdrawn")
    assert notice.workspace == mailed
    assert build_mail(notice.kind, notice.context).facts == [("codex-mini", "would have changed on 2127-01-01T00:00:00Z")]


def test_a_correction_to_what_holds_already_is_a_withdrawal_and_another_price_is_news_of_its_own() -> None:
    make_price()
    workspace = user_of_the_model()
    first = dearer()
    announce_price_changes(NOW)
    dearer(input=Decimal("1.7"), correct=True)
    assert announce_price_changes(NOW) == {"coming": 1, "announced": 1, "withdrawn": 0}
    dearer(input=Decimal("1.5"), correct=True)
    assert announce_price_changes(NOW)["withdrawn"] == 2
    assert withdrawals()[0] == (workspace.pk, first.public_id)


def test_what_a_price_changes_is_what_its_requests_are_rated_by_until_then() -> None:
    """A first price of a workspace's own succeeds the list's; one above a new threshold succeeds the one below it."""
    model = make_price(input="1.5").model
    workspace = make_workspace()
    long = dearer(input=Decimal(3), above_input_tokens=200_000)
    own = dearer(workspace=workspace, input=Decimal(1), effective_from=BEGINS + timedelta(days=1))
    then = dearer(workspace=workspace, input=Decimal(2), effective_from=BEGINS + timedelta(days=2), above_input_tokens=100_000)
    coming = {each.version: each for each in coming_prices(NOW)}
    old = {version: None if each.before is None else each.before.input_rate for version, each in coming.items()}
    assert old == {long: Decimal("1.5"), own: Decimal("1.5"), then: Decimal(1)}
    assert [(name.name, before, after) for name, before, after in coming[own].steps] == [("input", Decimal("1.5"), Decimal(1))]
    assert [each.version for each in coming_for([model], NOW, workspace)[model.pk]] == [long, own, then]
