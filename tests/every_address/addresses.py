"""Every address that the product answers, from its own list of them, with something real in each place that names a thing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from django.apps import apps
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.regex_helper import normalize

from tests.kit.world import IN_PATH, IN_ROUTE, World
from workspaces.models import Membership

ROUTE_PART = re.compile(r"<(?:[^:>]+:)?(\w+)>")
ROW_NAMES = ("object_id", "pk", "id")
CONSOLE_TABLE = re.compile(r"admin/(\w+)/(\w+)/")


def every_address(world: World, odd: str | None = None) -> list[str]:
    """Paths, each once. A place of which nothing is known holds `1`, so the answer may well be a 404.

    `odd`, as it stands in a path, takes the place of everything that is named.
    """
    return sorted({"/" + _filled(route, known_names(world, route), odd) for route in routes(get_resolver().url_patterns)})


def known_names(world: World, route: str) -> dict[str, str]:
    """What stands in a place of this route, by the place's name."""
    named = IN_PATH | next((others for part, others in IN_ROUTE.items() if part in route), {})
    known = {name: str(world.known(value)) for name, value in named.items()}
    known |= {"slug": "codex-mini", "member_id": str(_first(Membership)), "app_label": "metering"}
    return known


def path_of(route: str, world: World) -> str:
    """An address of the API."""
    known = known_names(world, route)
    return "/" + ROUTE_PART.sub(lambda part: known.get(part.group(1), "1"), route)


def every_row(most: int) -> list[str]:
    """Every page of a row of the console, for so many rows of each table, the newest first."""
    found = []
    for route in routes(get_resolver().url_patterns):
        table = CONSOLE_TABLE.match(route)
        part = ROUTE_PART.search(route)
        if table and part and part.group(1) in ROW_NAMES:
            rows = apps.get_model(*table.groups())._default_manager.order_by("-pk").values_list("pk", flat=True)[:most]
            found += ["/" + ROUTE_PART.sub(str(row), route) for row in rows]
    return found


def routes(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    """Each with `<name>` where a value goes."""
    for route, _ in routes_and_views(patterns):
        yield route


def routes_and_views(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[tuple[str, Any]]:
    for each in patterns:
        route = before + _route(each)
        if isinstance(each, URLResolver):
            yield from routes_and_views(each.url_patterns, route)
        else:
            yield route, each.callback


def _route(each: URLPattern | URLResolver) -> str:
    if hasattr(each.pattern, "_route"):
        return ROUTE_PART.sub(r"<\1>", str(each.pattern))
    template, names = normalize(each.pattern.regex.pattern)[0]
    return template % {name: f"<{name}>" for name in names}


def _filled(route: str, known: dict[str, str], odd: str | None) -> str:
    table = CONSOLE_TABLE.match(route)

    def value(part: re.Match[str]) -> str:
        name = part.group(1)
        if odd is not None:
            return odd
        if table and name in ROW_NAMES:
            return str(_first(apps.get_model(*table.groups())) or 1)
        return quote(known.get(name, "1"))

    return ROUTE_PART.sub(value, route)


def _first(model: type) -> object:
    return model._default_manager.values_list("pk", flat=True).order_by("pk").first()  # type: ignore[attr-defined]
