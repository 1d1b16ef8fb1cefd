"""What `/metrics` has to say is bounded, whatever callers make up."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from metering.metrics import BacklogCollector
from tests.kit.factories import an_event, make_gateway, make_key, make_model, make_workspace, send
from workspaces.models import User

pytestmark = pytest.mark.django_db


def lines() -> set[str]:
    """Every counted name, without its number."""
    return {line.rpartition(b" ")[0].decode() for line in generate_latest(REGISTRY).splitlines() if not line.startswith(b"#")}


def test_made_up_methods_and_addresses_add_no_line() -> None:
    client = Client()
    for path in ("/healthz", "/nothing"):
        client.generic("INVENTED", path)
    before = lines()
    for number in range(50):
        client.generic(f"METHOD{number}", "/healthz")
        client.generic(f"METHOD{number}", f"/nothing/{number}")
        client.get(f"/nothing/{number}")
    assert {line for line in lines() - before if 'method="GET"' not in line} == set()
    assert not any("METHOD" in line or "/nothing" in line for line in lines())


def test_the_console_is_one_view() -> None:
    console = Client()
    console.force_login(User.objects.create_superuser("ops@omixa.example"))
    for name in ("workspaces_workspace", "metering_invoice", "metering_jobrun"):
        console.get(reverse(f"admin:{name}_changelist"))
    assert any('view="admin"' in line for line in lines())
    assert not any('view="admin:' in line for line in lines())


BACKLOG = """\
# HELP omixa_waiting_batches Batches in the inbox that no worker has processed
# TYPE omixa_waiting_batches gauge
omixa_waiting_batches {batches}
# HELP omixa_waiting_events Events in those batches
# TYPE omixa_waiting_events gauge
omixa_waiting_events {batches}
# HELP omixa_waiting_oldest_seconds Age of the oldest waiting batch
# TYPE omixa_waiting_oldest_seconds gauge
omixa_waiting_oldest_seconds {oldest}
# HELP omixa_quarantined_events Quarantined events not settled
# TYPE omixa_quarantined_events gauge
omixa_quarantined_events {quarantined}
# HELP omixa_usage_paths_not_understood Numbers in usage that events wait for
# TYPE omixa_usage_paths_not_understood gauge
omixa_usage_paths_not_understood {quarantined}
# HELP omixa_usage_not_understood_events Quarantined events that wait for them
# TYPE omixa_usage_not_understood_events gauge
omixa_usage_not_understood_events {quarantined}
# HELP omixa_unpriced_events Recorded events waiting for a price
# TYPE omixa_unpriced_events gauge
omixa_unpriced_events {unpriced}
# HELP omixa_unaccounted_requests Requests allowed within a day whose hold ran out without an event
# TYPE omixa_unaccounted_requests gauge
omixa_unaccounted_requests {unaccounted}
# HELP omixa_unaccounted_usd What those may have cost at most
# TYPE omixa_unaccounted_usd gauge
omixa_unaccounted_usd {unaccounted_usd}
# HELP omixa_webhook_deliveries_due Deliveries of webhooks that could be sent now
# TYPE omixa_webhook_deliveries_due gauge
omixa_webhook_deliveries_due {due}
# HELP omixa_webhook_deliveries_due_oldest_seconds For how long the oldest of those could be sent
# TYPE omixa_webhook_deliveries_due_oldest_seconds gauge
omixa_webhook_deliveries_due_oldest_seconds {due}
# HELP omixa_webhooks_failing Active webhooks whose last attempt failed
# TYPE omixa_webhooks_failing gauge
omixa_webhooks_failing {due}
"""


def test_many_workspaces_gateways_and_models_add_no_line_and_no_query(settings: Any, django_assert_num_queries: Any) -> None:
    settings.METRICS_TOKEN = "s3cret"
    client = Client(headers={"Authorization": "Bearer s3cret"})

    def scrape() -> str:
        with django_assert_num_queries(7):
            return client.get("/metrics").content.decode()

    def figures(text: str) -> dict[str, float]:
        lines = (line for line in text.splitlines() if line.startswith("omixa_"))
        return {name: float(value) for name, _, value in (line.partition(" ") for line in lines)}

    scrape()  # which counts itself, under a name of its own
    before = scrape()
    for number in range(60):
        make_model(f"model-{number}")
        key = make_key(make_workspace(f"Workspace {number}"))
        events = [an_event(key, request_id="a", model=f"model-{number}"), an_event(key, request_id="b", model=f"odd-{number}")]
        send(make_gateway(f"gateway-{number}"), events)
    send(make_gateway("last"), [an_event(key, request_id="c")], process=False)
    after = scrape()
    assert figures(after)["omixa_waiting_batches"] == 1
    assert names(after) == names(before)
    assert abs(len(after) - len(before)) < 300  # digits


def test_what_waits_is_twelve_figures_of_a_known_size() -> None:
    registry = CollectorRegistry()
    registry.register(BacklogCollector())
    text = generate_latest(registry).decode()
    assert text == BACKLOG.format(
        batches="0.0", oldest="0.0", quarantined="0.0", unpriced="0.0", unaccounted="0.0", unaccounted_usd="0.0", due="0.0"
    )
    assert len(text) == 1764


def names(text: str) -> list[str]:
    return [line.rpartition(" ")[0] for line in text.splitlines()]
