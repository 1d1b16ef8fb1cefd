"""Workspaces, keys and a gateway for a benchmark; run inside the instance's environment, prints them as JSON."""

import json
import os
from typing import Any

WORKSPACES = 20
KEYS = 3
ACTOR = "benchmark"


def make_tenants() -> dict[str, Any]:
    """{"token": the gateway's, "workspaces": [{"admin_key": a secret, "keys": [key ids]}]}"""
    from django.utils import timezone

    from workspaces.issue import create_gateway, create_key, create_workspace

    now = timezone.now()
    workspaces = []
    for number in range(WORKSPACES):
        workspace = create_workspace(f"Benchmark {number}", "", ACTOR, now)
        _, admin_key = create_key(workspace, "admin", "admin", ACTOR, now)
        keys = [create_key(workspace, "live", f"live {each}", ACTOR, now)[0].public_id for each in range(KEYS)]
        workspaces.append({"admin_key": admin_key, "keys": keys})
    return {"token": create_gateway("Benchmark", ACTOR, now)[1], "workspaces": workspaces}


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")
    django.setup()
    print(json.dumps(make_tenants()))
