"""Workspaces, keys, a gateway and prices, made inside the instance's environment; prints them as JSON."""

import io
import json
import os
import sys
from typing import Any

WORKSPACES = 20
KEYS = 3
ACTOR = "chaos"


def make(price_commands: list[list[str]], sweep_every: int | None) -> dict[str, Any]:
    """{"gateway": its id, "token": its token, "workspaces": [...], "prices": their ids}.

    A workspace is {"number": its id in the database, "admin_key", "keys"}.
    """
    from django.core.management import call_command
    from django.utils import timezone

    from workspaces.keys.issue import create_gateway, create_key, create_workspace

    if sweep_every:
        sweep_more_often(sweep_every)
    prices, workspaces, now = [], [], timezone.now()
    for words in price_commands:
        output = io.StringIO()
        call_command("set_price", *words, stdout=output)
        prices.append(json.loads(output.getvalue())["price_id"])
    for number in range(WORKSPACES):
        workspace = create_workspace(f"Chaos {number}", "", ACTOR, now)
        keys = [create_key(workspace, "live", f"live {each}", ACTOR, now)[0].public_id for each in range(KEYS)]
        admin_key = create_key(workspace, "admin", "admin", ACTOR, now)[1]
        workspaces.append({"number": workspace.pk, "admin_key": admin_key, "keys": keys})
    gateway, token = create_gateway("Chaos", ACTOR, now)
    return {"gateway": gateway.public_id, "token": token, "workspaces": workspaces, "prices": prices}


def sweep_more_often(seconds: int) -> None:
    """As an operator would in the console."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    interval, _ = IntervalSchedule.objects.get_or_create(every=seconds, period="seconds")
    for sweep in PeriodicTask.objects.filter(task__in=["metering.sweep_inbox", "metering.send_lost_orders"]):
        sweep.interval = interval
        sweep.save()


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")
    django.setup()
    orders = json.loads(sys.argv[1])
    print(json.dumps(make(orders["prices"], orders["sweep_every"])))
