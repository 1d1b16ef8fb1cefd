"""OpenAI's costs API, asked by their own client: numbers that carry every digit."""

from decimal import Decimal
from typing import Any

import pytest

from metering.catalogue.models import PriceVersion
from tests.kit.billing import at, tokens
from tests.kit.corrections import correct, void
from tests.kit.factories import GOLDEN_COST, make_price
from tests.kit.foreign import exact, openai_client
from tests.kit.tenants import Sender, Tenant, another_key

pytestmark = pytest.mark.django_db
DAY = {"start_time": int(at("10-14T00:00").timestamp()), "end_time": int(at("10-15T00:00").timestamp())}
GROUPS = ("project_id", "user_id", "line_item", "api_key_id", "api_source")


def page_of(tenant: Tenant, **query: Any) -> Any:
    """As it is written, so that no float comes between."""
    answer = openai_client(tenant.admin_secret).admin.organization.with_raw_response.usage.costs(**DAY | query)
    assert answer.parse().object == "page"
    return exact(answer.text)


def results(tenant: Tenant, **query: Any) -> list[dict[str, Any]]:
    return [result for bucket in page_of(tenant, **query)["data"] for result in bucket["results"]]


def cost(tenant: Tenant) -> Decimal:
    asked = {"start": "2026-10-14T00:00:00Z", "end": "2026-10-15T00:00:00Z"}
    return Decimal(tenant.admin.get("/api/v1/usage", asked).json()["total"]["cost"])


def test_the_client_reads_a_days_cost(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("10-14T09:00"))
    page = openai_client(acme.admin_secret).admin.organization.usage.costs(**DAY)
    (result,) = page.data[0].results
    assert (result.object, result.amount.value, result.amount.currency) == ("organization.costs.result", 0.002649, "usd")
    assert {name: getattr(result, name) for name in (*GROUPS, "quantity", "quantity_unit")} == dict.fromkeys(
        (*GROUPS, "quantity", "quantity_unit")
    )


def test_every_digit_of_the_sum_is_in_the_number(acme: Tenant, send: Sender) -> None:
    make_price("codex-mini", input="0.000001", cached_input=None, output="123456.789012")
    send(acme.key, at("10-14T09:00"), at("10-14T10:00"), usage=tokens(input=1, output=2_000_000_000))
    (found,) = results(acme)
    assert found["amount"]["value"] == Decimal("493827156.048000000002")
    assert found["amount"]["value"] == cost(acme)


def test_line_items_are_called_as_on_the_invoice_and_add_up(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    make_price("codex-mini", input="3", cached_input="0.75", output="12", tier="priority")
    make_price("codex-mini", input="2", cached_input="0.5", output="8", above_input_tokens=200_000)
    send(acme.key, at("10-14T09:00"), at("10-14T23:59:59.999999"))
    send(acme.key, at("10-14T09:00"), service_tier="priority", status="aborted")
    send(acme.key, at("10-14T09:00"), usage=tokens(input=200_001, output=3))
    send(acme.key, at("10-14T09:00"), status="failed")
    found = results(acme, group_by=["line_item"])
    assert [(each["line_item"], each["quantity"], each["amount"]["value"]) for each in found] == [
        ("codex-mini, cached input", 3840, Decimal("0.00144")),
        ("codex-mini, cached input, priority tier", 1920, Decimal("0.00144")),
        ("codex-mini, input", 172, Decimal("0.000258")),
        ("codex-mini, input, priority tier", 86, Decimal("0.000258")),
        ("codex-mini, input, requests above 200,000 input tokens", 200_001, Decimal("0.400002")),
        ("codex-mini, output", 600, Decimal("0.0036")),
        ("codex-mini, output, priority tier", 300, Decimal("0.0036")),
        ("codex-mini, output, requests above 200,000 input tokens", 3, Decimal("0.000024")),
    ]
    assert {each["quantity_unit"] for each in found} == {"tokens"}
    assert sum(each["amount"]["value"] for each in found) == cost(acme) == Decimal("0.410622")
    chosen = results(acme, line_items=["codex-mini, input", "codex-mini"])
    assert [(each["amount"]["value"], each["line_item"], each["quantity"]) for each in chosen] == [
        (Decimal("0.000258"), None, None)
    ]


def test_a_price_that_changes_within_the_day_is_one_line(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    make_price("codex-mini", input="3", output="12", effective_from=at("10-14T12:00"))
    send(acme.key, at("10-14T11:59:59.999999"), at("10-14T12:00"), usage=tokens(input=1_000_000))
    found = results(acme, group_by=["line_item"])
    assert [(each["line_item"], each["quantity"], each["amount"]["value"]) for each in found] == [
        ("codex-mini, input", 2_000_000, Decimal("4.5"))
    ]


def test_groups_of_keys_and_users(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    second, _ = another_key(acme)
    send(acme.key, at("10-14T09:00"), at("10-14T09:01"), user="ada")
    send(second, at("10-14T09:00"))
    keys = results(acme, group_by=["api_key_id", "project_id"])
    assert {each["api_key_id"]: each["amount"]["value"] for each in keys} == {
        acme.key.public_id: 2 * GOLDEN_COST,
        second.public_id: GOLDEN_COST,
    }
    assert {each["project_id"] for each in keys} == {acme.workspace.public_id}
    users = results(acme, group_by=["user_id", "line_item"])
    assert sum(each["amount"]["value"] for each in users if each["user_id"] == "ada") == 2 * GOLDEN_COST
    assert sum(each["amount"]["value"] for each in users if each["user_id"] is None) == GOLDEN_COST
    assert [each["amount"]["value"] for each in results(acme, api_key_ids=[second.public_id])] == [GOLDEN_COST]


def test_what_has_no_price_has_no_cost_and_what_is_free_costs_nothing(acme: Tenant, send: Sender) -> None:
    send(acme.key, at("10-14T09:00"), model="unpriced")
    assert results(acme) == results(acme, group_by=["line_item"]) == []
    make_price("free", input="0", cached_input=None, output="0")
    send(acme.key, at("10-14T09:00"), model="free", usage=tokens(input=5))
    assert [
        (each["line_item"], each["quantity"], each["amount"]["value"]) for each in results(acme, group_by=["line_item"])
    ] == [("free, input", 5, 0)]


def test_a_voided_request_costs_nothing_any_more(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    first, _ = send(acme.key, at("10-14T09:00"), at("10-14T09:01"))
    correct(send.gateway, void(acme.key, first))
    assert [each["amount"]["value"] for each in results(acme)] == [GOLDEN_COST]


def test_180_days_are_a_page_and_7_the_usual(acme: Tenant) -> None:
    import openai

    early = int(at("01-01T00:00").timestamp())
    assert len(page_of(acme, start_time=early)["data"]) == 7
    assert len(page_of(acme, start_time=early, limit=180)["data"]) == 180
    with pytest.raises(openai.BadRequestError) as refused:
        page_of(acme, start_time=early, limit=181)
    assert refused.value.param == "limit"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"bucket_width": "1h"}, "bucket_width"),
        ({"group_by": "model"}, "group_by"),
        ({"models": "codex-mini"}, "models"),
        ({"user_ids": "ada"}, "user_ids"),
    ],
)
def test_a_wrong_parameter_is_named(acme: Tenant, query: dict[str, Any], param: str) -> None:
    answer = acme.admin.get("/v1/organization/costs", DAY | query)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_strangers_costs_are_not_there(acme: Tenant, rival: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(rival.key, at("10-14T09:00"))
    assert results(acme, group_by=["line_item", "api_key_id"]) == []
    assert results(acme, project_ids=[rival.workspace.public_id]) == []
    assert acme.live.get("/v1/organization/costs", DAY).status_code == 403
