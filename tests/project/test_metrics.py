"""What `/metrics` has to say is bounded, whatever callers make up."""

import pytest
from django.test import Client
from django.urls import reverse
from prometheus_client import REGISTRY, generate_latest

from workspaces.models import User

pytestmark = pytest.mark.django_db


def lines() -> set[str]:
    """Every counted name, without its number."""
    return {line.rpartition(b" ")[0].decode() for line in generate_latest(REGISTRY).splitlines() if not line.startswith(b"#")}


def test_made_up_methods_and_addresses_add_no_line() -> None:
    client = Client()
    for path in ("/healthz", "/nothing"):
        client.generic("INVENTED", path)
    before = lines()
    for number in range(50):
        client.generic(f"METHOD{number}", "/healthz")
        client.generic(f"METHOD{number}", f"/nothing/{number}")
        client.get(f"/nothing/{number}")
    assert {line for line in lines() - before if 'method="GET"' not in line} == set()
    assert not any("METHOD" in line or "/nothing" in line for line in lines())


def test_the_console_is_one_view() -> None:
    console = Client()
    console.force_login(User.objects.create_superuser("ops@omixa.example"))
    for name in ("workspaces_workspace", "metering_invoice", "metering_jobrun"):
        console.get(reverse(f"admin:{name}_changelist"))
    assert any('view="admin"' in line for line in lines())
    assert not any('view="admin:' in line for line in lines())
