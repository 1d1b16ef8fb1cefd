"""One of several processes that ask, extend, settle, release and expire at random, each act in a transaction of its own.

Each writes down what it did and heard at the end of that transaction. By then it holds the workspace's account, so what is
written is in the order in which the database decided. Run as `python -m tests.limits.acts DATABASE SEED ACTS`.
"""

import json
import os
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")
    django.setup()

from django.db import connection, transaction

from metering.limits.accounts import lock_account
from metering.limits.authorize import authorize, extend, release
from metering.limits.gateway.requests import Authorize, Extend
from metering.limits.holds import _expire
from metering.limits.settle import Spending, limited_workspaces, settle
from workspaces.models import APIKey, Gateway, Workspace

TABLE = "CREATE TABLE acts (number bigserial, workspace int, act jsonb)"
NOTE = "INSERT INTO acts (workspace, act) VALUES (%s, %s)"
MODELS, USERS = ("codex-mini", "codex-maxi"), ("ann", "bob", "")
INPUT, OUTPUT = Decimal("0.000001"), Decimal("0.00001")  # USD per token
SHORT, LONG = 1, 86_400  # seconds: what is held for a short time is left to expire, and only that
MOST_OPEN = 30


class Actor:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = random.Random(seed)  # noqa: S311 - a story that can be repeated
        self.workspaces = list(Workspace.objects.filter(name__startswith="Acts").order_by("pk"))
        self.keys = {each.pk: list(APIKey.objects.filter(workspace=each).order_by("pk")) for each in self.workspaces}
        self.gateway = Gateway.objects.get(name="acts")
        self.open: list[dict[str, Any]] = []  # what is held for long
        self.asked = 0

    def run(self, acts: int) -> None:
        choices: list[Callable[[], None]] = [self.ask] * 12 + [self.settle] * 6 + [self.extend] * 3 + [self.release] * 2
        choices += [self.expire]
        for number in range(acts):
            act = self.settle if len(self.open) >= MOST_OPEN else self.dice.choice(choices)
            if number % 150 == 149:
                act = self.raise_limit
            with transaction.atomic():
                act()
        while self.open:
            with transaction.atomic():
                self.release()

    def note(self, workspace: int, **act: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(NOTE, [workspace, json.dumps(act)])

    def ask(self) -> None:
        workspace = self.dice.choice(self.workspaces).pk
        self.asked += 1
        said = {
            "request_id": f"{self.seed}-{self.asked}",
            "key_id": self.dice.choice(self.keys[workspace]).public_id,
            "model": self.dice.choice(MODELS),
            "user": self.dice.choice(USERS),
            "input_tokens": self.dice.randint(0, 3000),
            "max_output_tokens": self.dice.choice([0, 100, 256, 1000, 3000]),
            "ttl_seconds": self.dice.choice([SHORT, LONG, LONG, LONG]),
        }
        now = datetime.now(UTC)
        answer = authorize(Authorize(**said), self.gateway, now)
        heard = {name: answer.get(name) for name in ("allowed", "reason", "hold_id", "max_output_tokens", "expires_at", "held")}
        self.note(workspace, act="ask", now=now.isoformat(), said=said, heard=heard)
        if answer["allowed"] and said["ttl_seconds"] == LONG:
            self.open.append({"workspace": workspace, "said": said, "hold": answer["hold_id"], "held": Decimal(answer["held"])})

    def extend(self) -> None:
        if not self.open:
            return
        chosen = self.dice.choice(self.open)
        so_far, now = self.dice.choice([0, 50, 1000, 4000]), datetime.now(UTC)
        answer = extend(chosen["hold"], Extend(output_tokens_so_far=so_far, ttl_seconds=LONG), self.gateway, now)
        heard = {name: answer.get(name) for name in ("allowed", "max_output_tokens", "held")}
        request = chosen["said"]["request_id"]
        self.note(chosen["workspace"], act="extend", request=request, so_far=so_far, heard=heard)
        if answer["allowed"]:
            chosen["held"] = Decimal(answer["held"])

    def settle(self) -> None:
        if not self.open:
            return
        chosen = self.open.pop(self.dice.randrange(len(self.open)))
        said, now = chosen["said"], datetime.now(UTC)
        cost = (chosen["held"] * self.dice.randint(0, 100) / 100).quantize(Decimal("0.000000000001"))
        limited_workspaces([chosen["workspace"]])
        names = (said["key_id"], said["model"], said["user"], now)
        settle([Spending(chosen["workspace"], *names, int(cost * 10**12), said["request_id"])], now)
        self.note(chosen["workspace"], act="settle", request=said["request_id"], cost=str(cost))

    def release(self) -> None:
        if not self.open:
            return
        chosen = self.open.pop(self.dice.randrange(len(self.open)))
        release(chosen["hold"], self.gateway)
        self.note(chosen["workspace"], act="release", request=chosen["said"]["request_id"])

    def expire(self) -> None:
        workspace, now = self.dice.choice(self.workspaces).pk, datetime.now(UTC)
        _expire(workspace, now)
        self.note(workspace, act="expire", now=now.isoformat())

    def raise_limit(self) -> None:
        """Of everything in a workspace, so that not all is refused from some day on."""
        workspace = self.dice.choice(self.workspaces)
        more = Decimal(self.dice.randint(1, 40)) / 1000
        lock_account(workspace.pk)
        for budget in workspace.budgets.order_by("pk"):
            budget.limit += more
            budget.save(update_fields=["limit"])
            self.note(workspace.pk, act="limit", budget=budget.public_id, limit=str(budget.limit))


if __name__ == "__main__":
    database, seed, acts = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    connection.settings_dict["NAME"] = database
    Actor(seed).run(acts)
