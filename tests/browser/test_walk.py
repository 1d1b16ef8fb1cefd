"""What people do, in a real browser: sign in, make a key, see what it used, open the invoice."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import AgreedPricing, BillingTerms
from metering.periods import month_of, previous_month
from tests.browser.conftest import Visit, World, confirm_identity, sign_in
from tests.kit.factories import an_event, send
from workspaces.models import APIKey

pytestmark = pytest.mark.browser


def golden_events(world: World, key: APIKey, count: int) -> None:
    """So many golden requests in the last minutes, and as many in the month before."""
    now = timezone.now()
    last_month = previous_month(month_of(now)).start + timedelta(days=3)
    moments = [now - timedelta(seconds=each) for each in range(count)] + [
        last_month + timedelta(hours=each) for each in range(count)
    ]
    events = [an_event(key, request_id=f"walk-{at}", occurred_at=each.isoformat()) for at, each in enumerate(moments)]
    assert send(world.gateway, events, now=now).recorded == 2 * count


def key_made_by_hand(visit: Visit, name: str) -> tuple[APIKey, str]:
    """A key made through the form, and the secret that its page showed."""
    page = visit.open("/keys")
    page.get_by_role("link", name="Create key").first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create key").click()
    confirm_identity(page)
    secret = page.locator("#secret").inner_text()
    return APIKey.objects.get(name=name), secret


def test_from_signing_in_to_the_invoice(visit: Visit, world: World) -> None:
    sign_in(visit)
    page = visit.page
    expect(page.get_by_role("heading", name="Send the first request")).to_be_visible()
    key, secret = key_made_by_hand(visit, "walking stick")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    page.reload()
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    assert APIKey.objects.count() == 1
    assert secret not in page.content()

    golden_events(world, key, 60)
    page = visit.open("/usage")
    expect(page.get_by_text("exactly $0.15894")).to_be_visible()
    expect(page.locator("canvas")).to_be_visible()
    walk_through_the_requests(page)

    [invoice] = close_workspaces(previous_month(month_of(timezone.now())), timezone.now() + timedelta(days=40), finalize=True)
    page = visit.open("/invoices")
    page.get_by_role("link", name=str(invoice.number)).click()
    expect(page.get_by_text("$0.16 USD")).to_be_visible()
    page.get_by_role("link", name="codex-mini, output").click()
    expect(page.get_by_text("18,000").first).to_be_visible()
    assert visit.trouble == []


def walk_through_the_requests(page: Page) -> None:
    """From usage to the requests, more of them without a new page, and one request explained."""
    page.get_by_label("Grouped by").select_option("key_id")
    expect(page.get_by_role("rowheader", name="walking stick")).to_be_visible()
    assert "group_by=key_id" in page.url
    page.locator("main").get_by_role("link", name="Requests").click()
    expect(page.locator("#event-rows > tr")).to_have_count(51)
    page.get_by_role("link", name="Load more").click()
    expect(page.locator("#event-rows > tr")).to_have_count(60)
    page.locator("#event-rows a.row-link").last.click()
    expect(page.get_by_text("$0.002649")).to_be_visible()


def every_page(world: World, key: APIKey, invoice: Invoice) -> list[str]:
    pages = [invoice.public_id, f"{invoice.public_id}/print"]
    pages += [f"{invoice.public_id}/lines/{line.public_id}" for line in invoice.lines.all()]
    return [
        *("/", "/usage", "/usage?group_by=key_id&bucket=hour&range=7d", "/usage/events", "/usage/events/walk-0"),
        *("/keys", "/keys/new", f"/keys/{key.public_id}", f"/keys/{key.public_id}/rotate", f"/keys/{key.public_id}/revoke"),
        *("/invoices", "/invoices/upcoming", "/billing", "/settings", "/settings/members"),
        *(f"/invoices/{page}" for page in pages),
        *("/models", "/models/codex-mini", "/models/grok-3"),
        *(
            "/accounts/password/change/",
            "/accounts/2fa/",
            "/accounts/2fa/webauthn/",
            "/accounts/sessions/",
            "/accounts/email/",
            "/accounts/logout/",
        ),
    ]


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_scrolls_sideways_or_has_trouble(visit: Visit, world: World, width: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": 740})
    for path in ("/", "/models", "/models/codex-mini", "/accounts/login/", "/accounts/password/reset/"):
        visit.open(path)
        assert visit.width() <= width, path
    sign_in(visit)
    key = APIKey.objects.create(workspace=world.workspace, kind="live", name="A-name-without-any-space-" * 6)
    golden_events(world, key, 3)
    unbroken = "A-purchase-order-without-any-space-" * 5
    BillingTerms.objects.create(workspace=world.workspace, legal_name=unbroken, purchase_order=unbroken)
    last = previous_month(month_of(timezone.now()))
    AgreedPricing.objects.create(workspace=world.workspace, effective_from=last.start, discount_percent=10)
    [invoice] = close_workspaces(last, timezone.now() + timedelta(days=40), finalize=True)
    for path in every_page(world, key, invoice):
        visit.open(path)
        assert visit.width() <= width, path
    if width > 700:
        narrowest = "Math.min(...[...document.querySelectorAll('.party, .facts')].map(e => e.clientWidth))"
        assert visit.open(f"/invoices/{invoice.public_id}/print").evaluate(narrowest) > 150
    assert visit.trouble == []


def test_the_theme_is_switched_and_remembered(visit: Visit) -> None:
    page = visit.open("/models")
    background = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    light = page.evaluate(background)
    page.get_by_role("button", name="Switch between light and dark").click()
    dark = page.evaluate(background)
    page.reload()
    assert light != dark
    assert page.evaluate(background) == dark
    assert visit.trouble == []


def test_examples_are_tabs_that_the_keyboard_moves_through(visit: Visit) -> None:
    page = visit.open("/models/codex-mini")
    page.get_by_role("tab", name="cURL", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Python requests")).to_have_attribute("aria-selected", "true")
    page.locator("#example-python").get_by_role("button", name="Copy").click()
    expect(page.locator("#example-python").get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith("import requests")
    expect(page.locator("#example-curl")).to_be_hidden()


def test_the_phones_menu_leads_everywhere(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 390, "height": 800})
    sign_in(visit)
    visit.page.get_by_label("Menu").click()
    visit.page.locator(".mobile-bar").get_by_role("link", name="API keys").click()
    expect(visit.page.get_by_role("heading", name="API keys")).to_be_visible()
    assert visit.trouble == []


def test_without_scripts_everything_is_there(chromium: object, visit: Visit, world: World) -> None:
    context = visit.page.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    page = context.new_page()
    page.goto(f"{visit.base}/models/codex-mini")
    for name in ("cURL", "Python requests", "Go net/http"):
        expect(page.get_by_label(f"{name} example", exact=True)).to_be_visible()
    sign_in(Visit(page, visit.base, []))
    key, _ = key_made_by_hand(Visit(page, visit.base, []), "plain")
    golden_events(world, key, 2)
    page.goto(f"{visit.base}/usage")
    page.get_by_label("Grouped by").select_option("key_id")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("rowheader", name="plain")).to_be_visible()
    context.close()


def test_nothing_is_cut_off_where_no_scroll_bar_shows_it(visit: Visit, world: World) -> None:
    too_large = "e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight + 1"
    cut = f"(name) => [...document.querySelectorAll(name)].some(e => {too_large})"
    key = APIKey.objects.create(workspace=world.workspace, kind="live", name="server")
    golden_events(world, key, 3)
    for width in (1280, 390):
        visit.page.set_viewport_size({"width": width, "height": 800})
        assert not visit.open("/").evaluate(cut, ".hero__code"), width
    sign_in(visit)
    for path, name in (
        ("/usage", ".table-scroll"),
        ("/usage?group_by=&bucket=none", ".table-scroll"),
        ("/accounts/2fa/", ".subnav"),
    ):
        assert not visit.open(path).evaluate(cut, name), path
    assert visit.trouble == []
