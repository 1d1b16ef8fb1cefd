"""An operator corrects a price, sees what it would change, orders it, and watches it being done."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from metering.catalogue.set_price import set_price
from metering.revisions.rerating.jobs import continue_orders
from tests.browser.conftest import Visit, World, confirm_identity, sign_in
from tests.kit.factories import an_event, make_key, send
from workspaces.models import User

pytestmark = pytest.mark.browser


def test_from_a_price_set_for_the_past_to_the_finished_order(visit: Visit, world: World) -> None:
    now, key = timezone.now(), make_key(world.workspace)
    instants = [now - timedelta(minutes=each) for each in range(3)]
    events = [an_event(key, request_id=f"r{at}", occurred_at=each.isoformat()) for at, each in enumerate(instants)]
    assert send(world.gateway, events, now=now).recorded == 3
    since = now - timedelta(days=1)
    price = set_price("codex-mini", input=Decimal("2.123457"), output=Decimal(6), effective_from=since, actor="test", now=now)
    User.objects.update(is_staff=True)
    sign_in(visit)

    page = visit.open(reverse("admin:metering_priceversion_change", args=[price.pk]))
    page.get_by_role("link", name="See what re-rating would change").click()
    expect(page.get_by_text("A dry run: nothing is changed yet.")).to_be_visible()
    page.get_by_role("link", name="Rate 3 requests again").click()
    page.get_by_label("Reason").fill("a wrong price")
    page.get_by_role("button", name="Order the re-rating").click()
    confirm_identity(page)
    expect(page.get_by_text("0 of about 3 requests")).to_be_visible()
    assert visit.width() <= 1280

    assert continue_orders(timezone.now()) == 3
    expect(page.get_by_text("3 requests changed of 3 looked at")).to_be_visible()  # without a reload: the page asks again
    page.set_viewport_size({"width": 390, "height": 844})
    assert visit.width() == 390
    assert visit.trouble == []
