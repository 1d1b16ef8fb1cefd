"""The three clients, each with the transport that it comes with, at the address of a served product."""

from decimal import Decimal

from pytest_django.live_server_helper import LiveServer

from metering.catalogue.models import PriceVersion
from tests.kit.billing import at
from tests.kit.factories import GOLDEN_COST
from tests.kit.foreign import anthropic_client, exact, openai_client, openrouter_client
from tests.kit.tenants import Sender, Tenant


def test_the_real_clients_read_the_same_usage_and_cost(
    live_server: LiveServer, acme: Tenant, send: Sender, codex_mini: PriceVersion
) -> None:
    send(acme.key, at("10-13T09:00"), at("10-14T09:00"), at("10-14T23:59:59.999999"))
    start = int(at("10-13T00:00").timestamp())
    days = {"starting_at": "2026-10-13T00:00:00Z", "ending_at": "2026-10-15T00:00:00Z"}
    with openai_client(acme.admin_secret, live_server.url) as client:
        usage = client.admin.organization.usage.completions(start_time=start, group_by=["model", "service_tier"])
        costs = exact(client.admin.organization.usage.with_raw_response.costs(start_time=start).text)
    with anthropic_client(acme.admin_secret, live_server.url) as client:
        (row,) = client.beta.organization.analytics.usage.list(**days)
        (cost,) = client.beta.organization.analytics.cost.list(**days)
    with openrouter_client(acme.admin_secret, live_server.url) as client:
        activity = client.analytics.get_user_activity().data
    with openrouter_client(acme.secret, live_server.url) as client:
        key = client.api_keys.get_current_key_metadata().data
    assert sum(result.num_model_requests for bucket in usage.data for result in bucket.results) == 3  # type: ignore[union-attr]
    assert sum(result["amount"]["value"] for bucket in costs["data"] for result in bucket["results"]) == 3 * GOLDEN_COST
    assert (row.usage.requests, row.usage.total_tokens) == (3, 6918)
    assert Decimal(cost.cost.amount) / 100 == 3 * GOLDEN_COST
    assert [(each.date_, each.requests) for each in activity] == [("2026-10-14", 2), ("2026-10-13", 1)]
    assert key.usage == 0.007947
