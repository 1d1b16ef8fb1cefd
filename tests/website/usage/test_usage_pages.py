"""Usage and requests: the same figures as the API, for the own workspace only."""

import csv
import html
import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils.html import escape

from tests.kit.factories import GOLDEN_COST, NOW, make_key, make_price
from tests.kit.pages import text_of
from tests.kit.people import Browser
from tests.website.conftest import Tenant

Use = Callable[..., list[str]]
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _priced(codex_mini: None) -> None:
    """Every test here has a price for codex-mini."""


def test_the_table_has_the_apis_rows_and_total(acme: Tenant, owner: Client, use: Use) -> None:
    make_price("grok-3", input="3", cached_input=None, output="15")
    use(acme.key, NOW - HOUR, NOW - 30 * HOUR)
    use(acme.key, NOW - HOUR, model="grok-3")
    page = owner.get("/usage?range=7d")
    query = "start=2026-10-09T00:00:00Z&end=2026-10-16T00:00:00Z&bucket=day&group_by=model"
    api = owner.get(f"/api/v1/usage?{query}").json()
    rows = {(f"{row['usage'].start:%Y-%m-%d}", row["group"]): row["usage"].cost for row in page.context["rows"]}
    assert rows == {(row["start"][:10], row["model"]): Decimal(row["cost"]) for row in api["data"]}
    assert page.context["total"].cost == Decimal(api["total"]["cost"])
    assert f"exactly ${Decimal(api['total']['cost']).normalize():f}" in text_of(page)


@pytest.mark.parametrize(
    ("narrowing", "requests"),
    [("model=grok-3", 1), ("model=codex-mini", 2), ("service_tier=priority", 1), ("status=failed", 1), ("status=aborted", 0)],
)
def test_filters_narrow_it(acme: Tenant, owner: Client, use: Use, narrowing: str, requests: int) -> None:
    use(acme.key, NOW - HOUR)
    use(acme.key, NOW - HOUR, service_tier="priority")
    use(acme.key, NOW - HOUR, model="grok-3", status="failed", usage=None)
    assert owner.get(f"/usage?{narrowing}").context["total"].requests == requests


def test_one_key_of_several(acme: Tenant, owner: Client, use: Use) -> None:
    other = make_key(acme.workspace, name="batch")
    use(acme.key, NOW - HOUR)
    use(other, NOW - HOUR, NOW - 2 * HOUR)
    page = owner.get(f"/usage?key_id={other.public_id}&group_by=key_id&bucket=none")
    assert page.context["total"].requests == 2
    assert [(row["name"], row["usage"].requests) for row in page.context["rows"]] == [("batch", 2)]


def test_a_strangers_key_is_a_404(rival: Tenant, owner: Client) -> None:
    assert owner.get(f"/usage?key_id={rival.key.public_id}").status_code == 404
    assert owner.get(f"/usage/events?key_id={rival.key.public_id}").status_code == 404


@pytest.mark.parametrize("bucket", ["hour", "day", "month", "none"])
@pytest.mark.parametrize("group", ["", "model", "key_id", "service_tier", "provider", "status"])
def test_every_grain_and_group_adds_up(acme: Tenant, owner: Client, use: Use, bucket: str, group: str) -> None:
    use(acme.key, NOW - HOUR, NOW - 26 * HOUR, provider="azure-openai")
    page = owner.get(f"/usage?bucket={bucket}&group_by={group}")
    assert page.status_code == 200
    assert sum(row["usage"].cost for row in page.context["rows"]) == 2 * GOLDEN_COST == page.context["total"].cost
    if bucket != "none":
        assert sum(row.total for row in page.context["chart"].rows) == 2 * GOLDEN_COST


def test_custom_days_include_the_last_one(acme: Tenant, owner: Client, use: Use) -> None:
    use(acme.key, *[datetime.fromisoformat(f"2026-10-{day:02}T23:59:59+00:00") for day in (1, 2, 3)])
    assert owner.get("/usage?range=custom&start=2026-10-01&end=2026-10-02").context["total"].requests == 2


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("range=custom&start=2026-10-05&end=2026-10-01", "The last day is before the first."),
        ("range=custom&start=soon&end=", "Choose the first and the last day."),
        ("range=custom&start=2020-01-01&end=2026-10-01", "Ask for at most 400 days at a time."),
        ("range=custom&start=0001-01-01&end=0001-01-02", "Choose days between the years 2000 and 2199."),
        ("range=custom&start=2026-01-01&end=2026-10-01&bucket=hour", "By the hour at most 31 days are shown"),
        ("group_by=color", "“color” is no group_by, so it is left out"),
        ("status=great", "“great” is no status, so it is left out: choose one of "),
        ("bucket=year", "“year” is no bucket, so it is left out: choose one of hour, day, month, none."),
        ("range=x", "“x” is no range, so it is left out"),
    ],
)
def test_what_makes_no_sense_is_said(owner: Client, query: str, said: str) -> None:
    answer = owner.get(f"/usage?{query}")
    assert answer.status_code == 200
    assert said in text_of(answer)


def test_days_that_make_no_sense_stay_in_the_form(owner: Client) -> None:
    for address in ("/usage", "/usage/events"):
        text = text_of(owner.get(f"{address}?range=custom&start=2026-10-05&end=2026-10-01"))
        assert '<option value="custom" selected>' in text
        assert 'value="2026-10-05" aria-invalid="true"' in text
        assert 'value="2026-10-01" aria-invalid="true"' in text
        assert "This month is shown." in text


def test_an_unknown_status_hides_nothing(acme: Tenant, owner: Client, use: Use) -> None:
    use(acme.key, NOW - HOUR)
    page = owner.get("/usage?status=great")
    assert page.context["total"].requests == 1
    assert "great" not in page.context["asked"].page_query


def test_what_is_known_is_not_complained_about(owner: Client) -> None:
    for query in ("", "range=last_month&bucket=none&group_by=&status=", "range=30d&group_by=status&status=failed"):
        assert "notice--warn" not in text_of(owner.get(f"/usage?{query}"))


@pytest.mark.parametrize("query", ["bucket=year", "group_by=workspace", "range=x", "model=%00", "status=%FF", "key_id=nope%00"])
def test_nonsense_in_the_address_is_no_error_of_ours(owner: Client, query: str) -> None:
    assert owner.get(f"/usage?{query}").status_code in (200, 400, 404)
    assert owner.get(f"/usage/events?{query}&cursor=broken").status_code in (200, 400, 404)


def test_the_csv_behind_the_link_has_the_same_total(acme: Tenant, owner: Client, use: Use) -> None:
    use(acme.key, NOW - HOUR, NOW - 50 * HOUR)
    page = owner.get("/usage?range=30d&model=codex-mini")
    [address] = re.findall(r'href="(/usage\?[^"]*format=csv[^"]*)"', text_of(page))
    answer = owner.get(address.replace("&amp;", "&"))
    assert answer.status_code == 200
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))
    assert sum(Decimal(row["cost"]) for row in rows if row["model"]) == page.context["total"].cost


def test_requests_are_listed_newest_first_and_paged(acme: Tenant, owner: Client, use: Use) -> None:
    sent = use(acme.key, *[NOW - timedelta(minutes=minute) for minute in range(60)])
    first = owner.get("/usage/events")
    assert [each.event.request_id for each in first.context["events"]] == sent[:50]
    second = owner.get(f"/usage/events?{first.context['more']['next']}")
    assert [each.event.request_id for each in second.context["events"]] == sent[50:]
    assert second.context["more"] is None


def test_a_request_is_explained(acme: Tenant, owner: Client, use: Use) -> None:
    [name] = use(acme.key, NOW - HOUR, latency_ms=1234, metadata={"team": "blue"}, user="u-1")
    text = text_of(owner.get(f"/usage/events/{name}"))
    api = owner.get(f"/api/v1/usage/events/{name}").json()["data"][0]
    for shown in (
        "$1.500000",
        "$0.375000",
        "$6.000000",
        "$0.000129",
        "$0.000720",
        "$0.001800",
        "$0.002649",
        "1,234 ms",
        "blue",
    ):
        assert shown in text, shown
    assert api["cost"] == "0.002649000000"
    assert api["price_id"] in text
    assert "192 of them reasoning" in text


def test_an_unpriced_request_has_no_cost(acme: Tenant, owner: Client, use: Use) -> None:
    [name] = use(acme.key, NOW - HOUR, model="unknown-model")
    text = text_of(owner.get(f"/usage/events/{name}"))
    assert "Unpriced" in text
    assert "$0.00" not in text


def test_every_attempt_of_a_request_is_shown(acme: Tenant, owner: Client, use: Use) -> None:
    use(acme.key, NOW - HOUR, request_id="twice", status="failed", usage=None)
    use(acme.key, NOW - HOUR, request_id="twice", attempt=1)
    text = text_of(owner.get("/usage/events/twice"))
    assert "2 attempts" in text
    assert "Failed, not billed" in text


@pytest.mark.parametrize("name", ["a/b/c", "with space", "ünï-😀", "50%", "a?b#c", "<b>", "x" * 465])
def test_any_request_id_has_its_page(acme: Tenant, owner: Client, use: Use, name: str) -> None:
    use(acme.key, NOW - HOUR, request_id=name)
    listed = text_of(owner.get("/usage/events"))
    [address] = re.findall(r'class="row-link mono clip" href="([^"]*)"', listed)
    page = owner.get(address)
    assert page.status_code == 200
    assert escape(name) in text_of(page)


def test_a_strangers_request_is_a_404(rival: Tenant, owner: Client, use: Use) -> None:
    [name] = use(rival.key, NOW - HOUR)
    answer = owner.get(f"/usage/events/{name}")
    assert answer.status_code == 404
    assert "This request is not here, or not yet" in text_of(answer)
    assert name not in text_of(owner.get("/usage/events"))


@pytest.mark.parametrize("role", ["owner", "admin", "billing", "viewer"])
def test_every_role_sees_usage(as_role: Browser, role: str) -> None:
    client = as_role(role)
    assert client.get("/usage").status_code == 200
    assert client.get("/usage/events").status_code == 200


def test_files_for_people_begin_with_a_byte_order_mark_and_hold_what_the_api_says(
    acme: Tenant, owner: Client, use: Use
) -> None:
    use(acme.key, NOW - HOUR, user="Käufer")
    use(acme.key, NOW - 30 * HOUR)
    span = "start=2026-10-09T00:00:00Z&end=2026-10-16T00:00:00Z"
    for page, api in (
        ("/usage?range=7d", f"/api/v1/usage?{span}&bucket=day&group_by=model&format=csv"),
        ("/usage/events?range=7d", f"/api/v1/usage/events?{span}&format=csv"),
    ):
        [link] = re.findall(r'href="([^"]*format=csv[^"]*)"', text_of(owner.get(page)))
        people, programs = (b"".join(owner.get(each).streaming_content) for each in (html.unescape(link), api))  # type: ignore[attr-defined]
        assert programs.count(b"\r\n") == 3
        assert people == b"\xef\xbb\xbf" + programs


def test_files_for_the_books_begin_with_one_too(acme: Tenant, owner: Client) -> None:
    assert b"".join(owner.get("/exports/payments").streaming_content).startswith(b"\xef\xbb\xbfdocument,id,at")  # type: ignore[attr-defined]
