"""`set_fee` and `add_line` as programs call them."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from metering.invoicing.fees.models import AgreedFee, ManualLine
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db


def ran(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command(*arguments, stdout=out)
    printed: dict[str, Any] = json.loads(out.getvalue())
    return printed


def test_a_fee_is_set_from_a_day_until_a_day(acme: Workspace) -> None:
    named = ("set_fee", acme.public_id, "--name", "Seats", "--monthly", "10")
    assert ran(*named, "--seats", "5", "--from", "2026-09-15", "--until", "2026-12-01") == {
        "fee_id": acme.fees.get().public_id,
        "workspace_id": acme.public_id,
        "name": "Seats",
        "monthly": "10.00",
        "seats": 5,
        "from": "2026-09-15",
        "until": "2026-12-01",
    }
    assert ran(*named, "--from", "2026-12-01")["until"] is None
    assert [(each.monthly, each.seats) for each in AgreedFee.objects.all()] == [(10, 5), (10, None)]
    assert AuditEntry.objects.filter(action="fee.set", workspace=acme).count() == 2


def test_a_line_below_zero_is_added(acme: Workspace) -> None:
    assert ran("add_line", acme.public_id, "2026-09", "-20.00", "--text", "Outage") == {
        "line_id": ManualLine.objects.get().public_id,
        "workspace_id": acme.public_id,
        "month": "2026-09",
        "text": "Outage",
        "amount": "-20.00",
        "currency": "USD",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("set_fee", "--name", "Seats", "--monthly", "ten", "--from", "2026-09-01"), "--monthly is an amount in USD"),
        (("set_fee", "--name", "Seats", "--monthly", "10", "--from", "2026-09-31"), "--from is a day"),
        (("set_fee", "--name", "Seats", "--monthly", "10", "--from", "9999-01-01"), "between the years 1970 and 2200"),
        (("add_line", "2026-13", "5.00", "--text", "Setup"), "is not a month"),
        (("add_line", "2026-09", "5.005", "--text", "Setup"), "whole cents"),
    ],
)
def test_wrong_arguments_are_one_sentence(acme: Workspace, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command(arguments[0], acme.public_id, *arguments[1:])
    assert (AgreedFee.objects.count(), ManualLine.objects.count()) == (0, 0)
