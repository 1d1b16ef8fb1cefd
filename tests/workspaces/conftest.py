"""A fixed day, a workspace, and people in it; made through the product's own acts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from workspaces.keys import issue
from workspaces.members import members
from workspaces.models import APIKey, AuditEntry, Membership, User, Workspace

NOW = datetime(2026, 10, 15, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"
TESTS = "the tests"


@pytest.fixture
def acme(db: None) -> Workspace:
    return issue.create_workspace("Acme", "bills@acme.example", TESTS, NOW)


@pytest.fixture
def sandbox(db: None) -> Workspace:
    return issue.create_workspace("Acme sandbox", "", TESTS, NOW, sandbox=True)


@pytest.fixture
def rival(db: None) -> Workspace:
    return issue.create_workspace("Rival", "", TESTS, NOW)


def a_key(workspace: Workspace, kind: str = "live", name: str = "Server", **more: Any) -> tuple[APIKey, str]:
    return issue.create_key(workspace, kind, name, TESTS, NOW, **more)


def a_member(workspace: Workspace, role: str, email: str | None = None) -> Membership:
    membership = members.add_member(workspace, email or f"{role}@acme.example", role, TESTS, NOW)
    membership.user.set_password(PASSWORD)
    membership.user.save()
    return membership


def with_key(secret: str) -> APIClient:
    return APIClient(headers={"authorization": f"Bearer {secret}"})


def signed_in(user: User) -> APIClient:
    """A browser of this person's that sends no CSRF token of its own."""
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)
    return client


def trail(target: str) -> list[tuple[str, str, dict[str, Any]]]:
    """The audit entries about a target, oldest first, as (actor, action, detail)."""
    entries = AuditEntry.objects.filter(target=target).order_by("id")
    return [(entry.actor, entry.action, entry.detail) for entry in entries]


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run the acts in threads, each with its own connection; their results, or the exceptions they raised."""

    def run(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))
