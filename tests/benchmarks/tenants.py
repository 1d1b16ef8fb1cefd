"""Workspaces, keys and a gateway for a benchmark; run inside the instance's environment, prints them as JSON."""

import json
import os
import sys
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tests.benchmarks.product import Product

WORKSPACES = 20
KEYS = 3
ACTOR = "benchmark"


@dataclass(frozen=True)
class Workspace:
    """Its secret for reading and its keys' ids for writing. `number` is its id in the database."""

    number: int
    admin_key: str
    keys: list[str]


@dataclass(frozen=True)
class Tenants:
    """The gateway's token, and whose usage it sends."""

    token: str
    workspaces: list[Workspace]

    @property
    def keys(self) -> list[str]:
        """Of one workspace after the other, so that every batch has usage of all of them."""
        return list(chain.from_iterable(zip(*(workspace.keys for workspace in self.workspaces), strict=True)))


def tenants_of(product: Product, workspaces: int = WORKSPACES, keys: int = KEYS) -> Tenants:
    """So many new ones."""
    made = product.python(__name__, str(workspaces), str(keys))
    return Tenants(made["token"], [Workspace(**workspace) for workspace in made["workspaces"]])


def make_tenants(count: int, keys: int) -> dict[str, Any]:
    """{"token": the gateway's, "workspaces": [as above]}"""
    from django.utils import timezone

    from workspaces.keys.issue import create_gateway, create_key, create_workspace

    now = timezone.now()
    workspaces = []
    for number in range(count):
        workspace = create_workspace(f"Benchmark {number}", "", ACTOR, now)
        _, admin_key = create_key(workspace, "admin", "admin", ACTOR, now)
        live = [create_key(workspace, "live", f"live {each}", ACTOR, now)[0].public_id for each in range(keys)]
        workspaces.append({"number": workspace.pk, "admin_key": admin_key, "keys": live})
    return {"token": create_gateway("Benchmark", ACTOR, now)[1], "workspaces": workspaces}


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")
    django.setup()
    print(json.dumps(make_tenants(int(sys.argv[1]), int(sys.argv[2]))))
