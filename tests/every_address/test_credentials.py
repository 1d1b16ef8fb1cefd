"""Every address with every kind of credential: nobody meets an error of ours, and no stranger sees anything of a workspace.

With DEEP each caller asks at each address with every method. Otherwise some of the callers ask at an address, with some of the
methods, and both take turns: every caller comes to every part of the product.

`-s` prints how many requests were made and what they were answered with.
"""

from collections import Counter

from django.http import HttpResponse
from django.test import Client

from omixa_billing.http.addresses import API
from tests.every_address.addresses import every_address
from tests.every_address.callers import INSIDERS, STRANGERS, every_caller
from tests.kit.depth import some
from tests.kit.world import World
from workspaces.models import APIKey, Workspace

OF_STRANGERS = ("get", "post")
# Callers at an address: numbers that share no factor with that of all of them, 24 and 13.
STRANGERS_AT_ONE, INSIDERS_AT_ONE = 5, 3
METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
# What ends the session that walks, or changes who may see what.
NOT_WALKED = ("logout", "/workspace", "/members/", "deactivate")


def asked(client: Client, method: str, path: str) -> HttpResponse:
    if method in ("post", "put", "patch"):
        return getattr(client, method)(path, b"{}", content_type="application/json")
    return getattr(client, method)(path)


def content_of(answer: HttpResponse) -> str:
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
    return body.decode("utf-8", "replace")


def secrets_of_acme(world: World) -> list[str]:
    """What only Acme's people, its keys and operators may read; ids that stand in the walked path itself are no news."""
    acme = Workspace.objects.get(name="Acme")
    keys = APIKey.objects.filter(workspace=acme).exclude(public_id__in=world.ids.values())
    numbers = [str(invoice.number) for invoice in acme.invoices.exclude(number=None)]
    return [acme.public_id, "owner@acme.example", *numbers, *keys.values_list("public_id", flat=True)]


def paths_of(world: World) -> list[str]:
    return [path for path in every_address(world) if not any(part in path for part in NOT_WALKED)]


def test_no_stranger_sees_anything_of_a_workspace_at_any_address(world: World) -> None:
    callers, paths = every_caller(world), paths_of(world)
    known, statuses = secrets_of_acme(world), Counter[int]()
    for at, path in enumerate(paths):
        for turn, name in enumerate(some(STRANGERS, at * STRANGERS_AT_ONE, STRANGERS_AT_ONE), at):
            for method in some(OF_STRANGERS, turn):
                answer = asked(callers[name], method, path)
                statuses[answer.status_code] += 1
                assert answer.status_code < 500, (name, method, path)
                seen = [each for each in known if each in content_of(answer)]
                assert not seen, (name, method, path, seen)
    assert len(STRANGERS) == 24
    assert statuses.total() == len(some(STRANGERS, 0, STRANGERS_AT_ONE)) * len(some(OF_STRANGERS, 0)) * len(paths)
    print(f"{statuses.total()} requests of strangers: {dict(sorted(statuses.items()))}")


def test_no_method_of_an_insider_is_an_error_of_ours(world: World) -> None:
    callers, paths = every_caller(world), paths_of(world)
    statuses = Counter[int]()
    for at, path in enumerate(paths):
        for turn, name in enumerate(some(INSIDERS, at * INSIDERS_AT_ONE, INSIDERS_AT_ONE), at):
            for method in some(METHODS, turn, usual=3) if path.startswith((*API, "/gateway/")) else ("get",):
                answer = asked(callers[name], method, path)
                content_of(answer)
                statuses[answer.status_code] += 1
                assert answer.status_code < 500, (name, method, path)
    print(f"{statuses.total()} requests of insiders: {dict(sorted(statuses.items()))}")


def test_a_credential_opens_only_its_own_part(world: World) -> None:
    """Keys open no page and no gateway's endpoint, gateways and people without the role no API of a workspace."""
    callers = every_caller(world)
    for path in paths_of(world):
        if path.startswith("/gateway/"):
            for name in ("a live key", "an admin key", "an owner", "an operator"):
                assert callers[name].get(path).status_code in (401, 403, 405), (name, path)
        if path.startswith("/admin/") and "/login" not in path and "jsi18n" not in path:
            for name in ("a gateway", "an admin key", "an owner", "a viewer"):
                assert callers[name].get(path).status_code in (302, 403, 404), (name, path)


def test_a_key_that_only_reads_changes_nothing(world: World) -> None:
    reader = every_caller(world)["an admin key that only reads"]
    for path in paths_of(world):
        if path.startswith(API):
            for method in ("post", "put", "patch", "delete"):
                assert asked(reader, method, path).status_code in (400, 403, 404, 405, 415), (method, path)
