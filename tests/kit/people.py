"""People, what they may, and their browsers."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from tests.kit.factories import NOW
from tests.kit.tenants import TESTS
from workspaces.keys import issue
from workspaces.members import members
from workspaces.models import APIKey, AuditEntry, Membership, User, Workspace

Browser = Callable[[str], Client]
PASSWORD = "correct horse battery"
PUBLIC_URL = "https://billing.omixa.example"


def person(workspace: Workspace | None, role: str, email: str = "") -> User:
    """A person with this role there, or without a workspace nowhere. No password: hashing one takes longer than a test."""
    user = User.objects.create_user(email or f"{role}@acme.example")
    if workspace is not None:
        Membership.objects.create(workspace=workspace, user=user, role=role)
    return user


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def acme(db: None) -> Workspace:
    return issue.create_workspace("Acme", "bills@acme.example", TESTS, NOW)


def a_key(workspace: Workspace, kind: str = "live", name: str = "Server", **more: Any) -> tuple[APIKey, str]:
    return issue.create_key(workspace, kind, name, TESTS, NOW, **more)


def a_member(workspace: Workspace, role: str, email: str | None = None) -> Membership:
    membership = members.add_member(workspace, email or f"{role}@acme.example", role, TESTS, NOW)
    membership.user.set_password(PASSWORD)
    membership.user.save()
    return membership


def signed_in(user: User) -> APIClient:
    """A browser of this person's that sends no CSRF token of its own."""
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)
    return client


def trail(target: str) -> list[tuple[str, str, dict[str, Any]]]:
    """The audit entries about a target, oldest first, as (actor, action, detail)."""
    entries = AuditEntry.objects.filter(target=target).order_by("id")
    return [(entry.actor, entry.action, entry.detail) for entry in entries]


@pytest.fixture(autouse=True)
def with_a_public_url(settings: Any) -> None:
    settings.PUBLIC_URL = PUBLIC_URL
