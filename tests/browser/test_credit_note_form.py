"""The credit note's form adds up what is typed, to the cent, and chooses the amounts once there are any."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
SCRIPT = (Path(__file__).parents[2] / "static/console/credit_note.js").read_text()
PAGE = f"""
<select name="what"><option value="whole"></option><option value="lines"></option></select>
<fieldset data-credit-lines><input name="a"><input name="b"><input name="c"><output></output></fieldset>
<script>{SCRIPT}</script>
"""


@pytest.fixture
def page(chromium: Browser) -> Page:
    made = chromium.new_page()
    made.set_content(PAGE)
    return made


def said(page: Page, **typed: str) -> str:
    for name, text in typed.items():
        page.fill(f"[name={name}]", text)
    return page.inner_text("output")


def test_amounts_are_added_to_the_cent(page: Page) -> None:
    assert (said(page), page.input_value("select")) == ("No amount is given.", "whole")
    assert said(page, a="0.1", b="0.2") == "$0.30 on 2 lines."
    assert said(page, c="12345678901234567.89") == "$12,345,678,901,234,568.19 on 3 lines."
    assert page.input_value("select") == "lines"
    assert said(page, a="", b="no", c="0.50") == "$0.50 on 1 line."
    assert said(page, c="1.005") == "No amount is given."
