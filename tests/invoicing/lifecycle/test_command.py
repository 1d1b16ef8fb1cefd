"""`close_month` as programs call it: one JSON object, or one sentence and a failure."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from metering.invoicing.lifecycle.void import reissue, void
from metering.invoicing.models import Invoice
from tests.kit.billing import AUGUST, OPS, Meter, at, finalized, tokens
from tests.kit.factories import make_key, make_workspace
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
MILLION = tokens(input=1_000_000)
NOW = "2026-10-15T12:00:00Z"


def printed(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("close_month", *arguments, stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def close_month(*arguments: str) -> list[dict[str, Any]]:
    answer = printed(*arguments)
    assert list(answer) == ["invoices"]
    return list(answer["invoices"])


def test_it_prints_the_drafts_it_made(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    assert close_month("2026-09", "--now", NOW) == [
        {
            "id": Invoice.objects.get().public_id,
            "number": None,
            "workspace_id": acme.public_id,
            "status": "draft",
            "total": "1.50",
        }
    ]


def test_it_finalizes_and_says_the_same_again(use: Meter, key: APIKey) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    first = close_month("2026-09", "--now", NOW, "--finalize")
    assert [(each["number"], each["status"]) for each in first] == [("OMX-2026-00001", "open")]
    assert close_month("2026-09", "--now", NOW, "--finalize") == first
    assert close_month("2026-09", "--now", NOW) == first


def test_it_closes_one_workspace_alone(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(make_key(make_workspace("Rival")), "09-10T00:00", usage=MILLION)
    use(key, "09-10T00:00", usage=MILLION)
    closed = close_month("2026-09", "--now", NOW, "--workspace", acme.public_id)
    assert [each["workspace_id"] for each in closed] == [acme.public_id]
    assert Invoice.objects.count() == 1


def test_it_names_the_months_that_wait_for_their_reissue(use: Meter, key: APIKey, acme: Workspace) -> None:
    rival = make_key(make_workspace("Rival"))
    use(key, "08-10T00:00", "09-10T00:00", usage=MILLION)
    use(rival, "09-10T00:00", usage=MILLION)
    (august,) = finalized(AUGUST)
    finalized()
    void(august.pk, "wrong address", OPS, at("10-15T12:00"))
    void(Invoice.objects.get(workspace=rival.workspace).pk, "wrong address", OPS, at("10-15T12:00"))
    named = {"id": august.public_id, "number": "OMX-2026-00001", "workspace_id": acme.public_id, "month": "2026-08"}
    of_acme = printed("2026-09", "--now", NOW, "--workspace", acme.public_id)["waiting_for_reissue"]
    assert of_acme == [named | {"total": "1.50"}]
    every = printed("2026-09", "--now", NOW)["waiting_for_reissue"]
    assert [(each["month"], each["workspace_id"]) for each in every] == [
        ("2026-08", acme.public_id),
        ("2026-09", rival.workspace.public_id),
    ]
    assert [each["month"] for each in printed("2026-08", "--now", NOW)["waiting_for_reissue"]] == ["2026-08"]
    reissue(august.pk, OPS, at("10-15T12:00"))
    assert "waiting_for_reissue" not in printed("2026-09", "--now", NOW, "--workspace", acme.public_id)


def test_a_month_without_usage_has_no_invoices(acme: Workspace) -> None:
    assert close_month("2026-09", "--now", NOW) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["2026-10", "--now", NOW], "The month 2026-10 ends at 2026-11-01T00:00:00Z"),
        (["2026-10", "--now", "2026-10-31T23:59:59.999999Z"], "The month 2026-10 ends at"),
        (["2026-13"], "'2026-13' is not a month"),
        (["2026-9"], "'2026-9' is not a month"),
        (["2026-09", "--now", "yesterday"], "'yesterday' is not a time"),
        (["2026-09", "--now", "2026-10-15T12:00:00"], "has no time zone"),
        (["2026-09", "--now", NOW, "--workspace", "ws_unknown"], "There is no workspace 'ws_unknown'."),
        (["2026-09", "--now", NOW, "--workspace", "ws_\udcff"], "There is no workspace 'ws_.udcff'."),
    ],
)
def test_it_refuses_in_one_sentence_and_writes_nothing(use: Meter, key: APIKey, arguments: list[str], sentence: str) -> None:
    use(key, "09-10T00:00", "10-10T00:00", usage=MILLION)
    with pytest.raises(CommandError, match=sentence):
        close_month(*arguments)
    assert Invoice.objects.count() == 0
