"""Whatever stands in an address: no error of ours, no traceback in the log, no dear query, no huge answer.

Each page is asked once with something hostile in every parameter that it looks up. With DEEP each parameter gets values alone,
all of them from DEEP=20 on.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from tests.every_address.addresses import every_address
from tests.fuzz.conftest import SIGNS_OUT, Product, callers_of
from tests.fuzz.values import IN_ADDRESS
from tests.kit.depth import DEEP, search, share

# Refused before any other value is looked at: not in short with others.
NOT_REFUSED = [value for value in IN_ADDRESS if "%00" not in value]
REFUSED_FIRST = ("workspace", "_to_field")
OF_ITS_OWN = ("/add/", "/usageevent/", "/one/")  # pages for which a workspace is a value like others


def queries(product: Product) -> Iterator[tuple[str, str, str]]:
    """Who asks which path with which query."""
    turn = count()
    for page in product.pages:
        if DEEP:
            for name in page.names:
                for value in IN_ADDRESS:
                    if next(turn) % share() == 0:
                        yield page.who, page.path, f"{name}={value}"
        else:
            pairs = {name: f"{name}={NOT_REFUSED[next(turn) % len(NOT_REFUSED)]}" for name in page.names}
            first = [pairs.pop(name) for name in REFUSED_FIRST if name in pairs and not page.path.endswith(OF_ITS_OWN)]
            yield from ((page.who, page.path, "&".join(some)) for some in (first, pairs.values()) if some)


def test_no_parameter_of_any_page_breaks_it(product: Product) -> None:
    faults = []
    for who, path, query in queries(product):
        answer = product.ask(who, "GET", f"{path}?{query}")
        if answer.faults:
            print(who, path, query[:200], answer.faults, flush=True)
            faults.append((who, path, query[:300], answer.faults))
    assert faults == []


def test_nothing_in_a_path_breaks_it(product: Product) -> None:
    faults, values = [], [value for value in IN_ADDRESS if value]
    for at, value in enumerate(values):
        odd = value.replace("/", "%2F")
        paths = [path for path in every_address(product.world, odd) if odd in path and SIGNS_OUT not in path]
        for path in paths if DEEP else paths[at :: len(values)]:
            for who in callers_of(path):
                answer = product.ask(who, "GET", path)
                if answer.faults:
                    print(who, path[:200], answer.faults, flush=True)
                    faults.append((who, path[:200], answer.faults))
    assert faults == []


@search(25, 500)
@given(data=st.data())
def test_no_combination_of_parameters_breaks_a_page(product: Product, data: st.DataObject) -> None:
    """Several at once, some of them twice, with values from the table and with any text."""
    page = data.draw(st.sampled_from([page for page in product.pages if page.names]))
    value = st.one_of(st.sampled_from(IN_ADDRESS), st.text(max_size=20).map(lambda text: quote(text, errors="replace")))
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(page.names), value), min_size=1, max_size=6))
    query = "&".join(f"{name}={value}" for name, value in pairs)
    assert product.ask(page.who, "GET", f"{page.path}?{query}").faults == []
