"""A price for the past leaves alone what is rated; the person who sets it reads how much that is."""

from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command

from metering.catalogue.set_price import set_price
from metering.ingest.models import UsageEvent
from metering.revisions.rerating.rated import rated_since
from tests.kit.factories import GOLDEN_COST, NOW, an_event, make_gateway, make_key, make_model, make_price, make_workspace, send
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


def test_usage_that_another_version_rated_is_counted_and_keeps_its_cost() -> None:
    listed = make_price()
    make_model("codex-mini-latest", alias_of=listed.model)
    make_price(tier="priority")
    acme, other = make_key(make_workspace("Acme")), make_key(make_workspace("Other"))
    send(
        make_gateway(),
        [
            an_event(acme, request_id="a"),
            an_event(acme, request_id="alias", model="codex-mini-latest"),
            an_event(other, request_id="b"),
            an_event(acme, request_id="earlier", occurred_at="2026-10-01T00:00:00Z"),
            an_event(acme, request_id="tier", service_tier="priority"),
            an_event(acme, request_id="failed", status="failed"),
        ],
    )
    since = datetime(2026, 10, 15, tzinfo=UTC)
    given = {"input": Decimal(9), "output": Decimal(9), "effective_from": since, "actor": "test", "now": NOW}
    assert rated_since(set_price("codex-mini", **given)) == 3
    assert rated_since(set_price("codex-mini", workspace=acme.workspace, **given)) == 2
    assert set(UsageEvent.objects.exclude(status=2).values_list("cost", flat=True)) == {GOLDEN_COST}


def test_the_command_says_so_beside_its_one_object() -> None:
    make_price()
    send(make_gateway(), [an_event(make_key(make_workspace()))])
    out, err = StringIO(), StringIO()
    arguments = ["codex-mini", "--input", "9", "--output", "9"]
    call_command("set_price", *arguments, "--effective-from", "2026-10-15T00:00:00Z", stdout=out, stderr=err)
    assert err.getvalue() == (
        "1 request since then is rated already and keeps its price; this one prices the others. "
        "To rate them again: manage.py rerate codex-mini --from 2026-10-15T00:00:00Z\n"
    )
    assert out.getvalue().count("\n") == 1

    workspace = ["--workspace", Workspace.objects.get().public_id]
    call_command(
        "set_price",
        *arguments,
        *workspace,
        "--effective-from",
        "2026-10-15T00:00:00Z",
        stdout=out,
        stderr=(narrow := StringIO()),
    )
    assert narrow.getvalue().endswith(f"rerate codex-mini --from 2026-10-15T00:00:00Z {' '.join(workspace)}\n")

    call_command("set_price", *arguments, stdout=StringIO(), stderr=(quiet := StringIO()))
    assert quiet.getvalue() == ""
