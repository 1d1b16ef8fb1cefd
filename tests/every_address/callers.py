"""Every kind of credential that a request may carry: good, used up, another person's, and none."""

from datetime import timedelta

from django.test import Client
from django.utils import timezone

from tests.kit.factories import NOW
from tests.kit.world import World, browser_of
from workspaces.keys import issue, secrets
from workspaces.models import Membership, User, Workspace
from workspaces.operators.keys import create_operator_key, revoke_operator_key

STRANGERS = (
    *("nobody", "an empty bearer", "no bearer but a password", "a secret of a wrong form", "a wrong checksum"),
    *("an unknown live key", "an unknown admin key", "an unknown gateway", "a revoked live key", "a revoked admin key"),
    *("an expired admin key", "a rotated live key", "a revoked gateway", "a forged session", "a key as a cookie"),
    *("another workspace's live key", "another workspace's admin key", "another workspace's owner"),
    *("another workspace's key as x-api-key", "an unknown key as x-api-key", "a person without a workspace"),
    *("a member who was removed", "an operator who was deactivated", "a revoked operator's key"),
)
INSIDERS = (
    *("a live key", "an admin key", "an admin key that only reads", "an admin key without payments"),
    *("an admin key as x-api-key", "a gateway", "an owner", "an admin", "a billing member", "a viewer", "an operator"),
    *("an operator's key", "an operator's key that only reads"),
)


def every_caller(world: World) -> dict[str, Client]:
    """A client for each of STRANGERS and INSIDERS. The workspace asked about is Acme."""
    acme, rival = Workspace.objects.get(name="Acme"), Workspace.objects.get(name="Rival")
    bearers = {name: f"Bearer {secret}" for name, secret in _secrets(world, acme, rival).items()}
    bearers |= {"an empty bearer": "Bearer ", "no bearer but a password": "Basic b3duZXI6cGFzc3dvcmQ="}
    clients = {name: Client(headers={"authorization": said}, raise_request_exception=False) for name, said in bearers.items()}
    clients |= {
        name: Client(headers={"x-api-key": secret, "anthropic-version": "2023-06-01"}, raise_request_exception=False)
        for name, secret in (
            ("another workspace's key as x-api-key", issue.create_key(rival, "admin", "Walk", "the tests", NOW)[1]),
            ("an unknown key as x-api-key", secrets.new_secret("admin")),
            ("an admin key as x-api-key", issue.create_key(acme, "admin", "Walk", "the tests", NOW)[1]),
        )
    }
    clients |= {name: browser_of(address) for name, address in _people(acme, rival).items()}
    for person in ("deactivated@omixa.example", "removed@acme.example"):
        User.objects.filter(email=person, is_staff=True).update(is_active=False)
        Membership.objects.filter(user__email=person).delete()
    clients["a forged session"].cookies["sessionid"] = "a" * 32
    clients["a key as a cookie"].cookies["sessionid"] = world.callers["admin key"]["Authorization"].removeprefix("Bearer ")
    assert set(clients) == {*STRANGERS, *INSIDERS}
    return clients


def _secrets(world: World, acme: Workspace, rival: Workspace) -> dict[str, str]:
    def key(workspace: Workspace, kind: str, **more: object) -> str:
        return issue.create_key(workspace, kind, "Walk", "the tests", NOW, **more)[1]  # type: ignore[arg-type]

    def gone(kind: str) -> str:
        made, secret = issue.create_key(acme, kind, "Walk", "the tests", NOW)
        issue.revoke_key(made, "the tests", NOW)
        return secret

    expired, expired_secret = issue.create_key(acme, "admin", "Walk", "the tests", NOW)
    type(expired).objects.filter(pk=expired.pk).update(expires_at=NOW - timedelta(seconds=1))
    rotated, rotated_secret = issue.create_key(acme, "live", "Walk", "the tests", NOW)
    issue.rotate_key(rotated, timedelta(0), "the tests", NOW)
    gateway, gateway_token = issue.create_gateway("Walk", "the tests", NOW)
    issue.revoke_gateway(gateway, "the tests", NOW)
    unknown = secrets.new_secret("live")
    of_operators = create_operator_key("Walk", ["read", "money"], None, "the tests", timezone.now())
    gone_operator = create_operator_key("Walk", ["read", "money"], None, "the tests", timezone.now())
    revoke_operator_key(gone_operator[0], "the tests", timezone.now())
    return {
        "a secret of a wrong form": "omx_live_short",
        "a wrong checksum": unknown[:-1] + ("A" if unknown[-1] != "A" else "B"),
        "an unknown live key": unknown,
        "an unknown admin key": secrets.new_secret("admin"),
        "an unknown gateway": secrets.new_secret("gateway"),
        "a revoked live key": gone("live"),
        "a revoked admin key": gone("admin"),
        "an expired admin key": expired_secret,
        "a rotated live key": rotated_secret,
        "a revoked gateway": gateway_token,
        "another workspace's live key": key(rival, "live"),
        "another workspace's admin key": key(rival, "admin"),
        "a revoked operator's key": gone_operator[1],
        "an operator's key": of_operators[1],
        "an operator's key that only reads": create_operator_key("Walk", ["read"], None, "the tests", timezone.now())[1],
        "a live key": key(acme, "live"),
        "an admin key": key(acme, "admin"),
        "an admin key that only reads": key(acme, "admin", scopes=[]),
        "an admin key without payments": key(acme, "admin", scopes=["keys"]),
        "a gateway": world.callers["gateway"]["Authorization"].removeprefix("Bearer "),
    }


def _people(acme: Workspace, rival: Workspace) -> dict[str, str | None]:
    """Addresses by kind; None has no session. `world` has made the owner and the operator."""

    def person(address: str, workspace: Workspace | None, role: str, **more: bool) -> str:
        user = User.objects.create_user(address, "a long enough password", **more)
        if workspace is not None:
            Membership.objects.create(workspace=workspace, user=user, role=role)
        return address

    return {
        "nobody": None,
        "a forged session": None,
        "a key as a cookie": None,
        "an owner": "owner@acme.example",
        "an operator": "operator@omixa.example",
        "an admin": person("admin@acme.example", acme, "admin"),
        "a billing member": person("billing@acme.example", acme, "billing"),
        "a viewer": person("viewer@acme.example", acme, "viewer"),
        "another workspace's owner": person("owner@rival.example", rival, "owner"),
        "a person without a workspace": person("alone@nowhere.example", None, ""),
        "a member who was removed": person("removed@acme.example", acme, "owner"),
        "an operator who was deactivated": person("deactivated@omixa.example", None, "", is_staff=True),
    }
