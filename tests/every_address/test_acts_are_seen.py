"""Whatever a person or a program does by a request leaves an entry in the audit trail, on every page and at every address.

The walk knows no page by itself: it sends each form that it finds, chooses each action of each list, and calls each method
of the API. `-s` prints what it did.
"""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.every_address.acts import Act, Done, acts_of_forms, done
from tests.every_address.addresses import every_address, every_row
from tests.every_address.conftest import browser_of
from tests.openapi.world import World

ROWS = 4
# What is sent beside what a form shows, by the name of its page.
GIVEN: dict[str, dict[str, str]] = {}
# What leaves no entry, with the reason.
LEAVES_NONE: dict[str, str] = {}


@pytest.fixture
def everything(world: World) -> World:
    return world


def every_act(world: World) -> Iterator[Act]:
    pages = [path for path in every_address(world) if "logout" not in path]
    yield from acts_of_forms(browser_of("operator@omixa.example"), sorted({*pages, *every_row(ROWS)}), GIVEN)
    yield from acts_of_forms(browser_of("owner@acme.example"), [path for path in pages if "/admin/" not in path], GIVEN)
    yield from acts_of_forms(browser_of(None), [path for path in pages if "/admin/" not in path], GIVEN)


def test_every_form_and_button_of_the_pages_leaves_an_entry(everything: World) -> None:
    named: dict[str, list[Act]] = defaultdict(list)
    for act in every_act(everything):
        named[act.name].append(act)
    none: dict[str, Done] = {}
    for name, acts in named.items():
        for act in acts:
            found = done(act)
            if found.entries:
                none.pop(name, None)
                break
            none[name] = found
    for name in sorted(named):
        print(
            name, len(named[name]), "" if name not in none else none[name].wrote, "" if name not in none else none[name].status
        )
    assert set(none) == set(LEAVES_NONE)
