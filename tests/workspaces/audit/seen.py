"""Signing in as a browser does, and what the trail says of it."""

from typing import Any

from django.test import Client

from tests.kit.people import PASSWORD
from workspaces.models import AuditEntry

FROM = {"REMOTE_ADDR": "203.0.113.7", "HTTP_USER_AGENT": "a browser"}

Seen = list[tuple[str, str, str]]


def seen(*actions: str) -> Seen:
    """(actor, action, target) of these, oldest first."""
    found = AuditEntry.objects.filter(action__in=actions).order_by("id")
    return [(entry.actor, entry.action, entry.target) for entry in found]


def sign_in(client: Client, email: str, password: str = PASSWORD) -> Any:
    return client.post("/accounts/login/", {"login": email, "password": password}, **FROM)  # type: ignore[arg-type]
