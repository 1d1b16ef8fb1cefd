"""The members' roles: a key of the keyboard chooses, and only the button saves."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit, World, confirm_identity, sign_in
from workspaces.models import Membership, User

pytestmark = pytest.mark.browser


def test_an_arrow_key_in_the_menu_of_roles_saves_nothing_and_the_button_does(visit: Visit, world: World) -> None:
    ben = User.objects.create_user("ben@acme.example", "a long password")
    membership = Membership.objects.create(workspace=world.workspace, user=ben, role="viewer")
    sign_in(visit)
    page = visit.open("/settings/members")
    sent: list[str | None] = []
    page.on("request", lambda request: sent.append(request.post_data) if request.method == "POST" else None)
    menu = page.get_by_label("Role of ben@acme.example", exact=True)
    menu.focus()
    menu.press("ArrowUp")
    expect(menu).to_have_value("billing")
    menu.press("ArrowUp")
    menu.blur()
    expect(menu).to_have_value("admin")
    page.evaluate("() => new Promise((done) => setTimeout(done))")  # what the keys set off has begun by now
    assert sent == []
    membership.refresh_from_db()
    assert membership.role == "viewer"
    page.get_by_role("button", name="Save the role of ben@acme.example").click()
    confirm_identity(page)
    expect(page.get_by_text("ben@acme.example has the role admin now.")).to_be_visible()
    membership.refresh_from_db()
    assert membership.role == "admin"
    assert visit.trouble == []
