"""Programs of operators, each with a key."""

from typing import Any

from django.test import Client
from django.utils import timezone

from tests.kit.billing import OPS
from workspaces.models import OperatorKey
from workspaces.operators.keys import create_operator_key

BASE = "/api/v1/operator"
BOTH = ("read", "money")


def a_key(*scopes: str, **more: Any) -> tuple[OperatorKey, str]:
    return create_operator_key("books", scopes or BOTH, None, OPS, timezone.now(), **more)


class Program:
    """Calls with a key; each act under a new `Idempotency-Key` unless it says which."""

    def __init__(self, secret: str) -> None:
        self.secret, self.acts = secret, 0

    def post(self, path: str, key: str | None = None, **body: Any) -> Any:
        self.acts += 1
        headers = {"Authorization": f"Bearer {self.secret}", "Idempotency-Key": key or f"act-{self.acts}"}
        return Client().post(f"{BASE}/{path}", body, content_type="application/json", headers=headers)

    def get(self, path: str, **query: str) -> Any:
        return Client().get(f"{BASE}/{path}", query, headers={"Authorization": f"Bearer {self.secret}"})
