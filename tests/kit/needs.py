"""Which tests need a server: by the fixtures that they use and by what their modules import, so that nobody keeps a list."""

import sys
from functools import cache
from types import ModuleType

import pytest

DATABASE = {"db", "transactional_db", "live_server", "django_db_setup"}
# What starts processes; a test that uses none of it runs within its own.
STARTS_PROCESSES = {
    "subprocess",
    "multiprocessing",
    "playwright.sync_api",
    "omixa_billing.embedded.cluster",
    "omixa_billing.embedded.postgres",
    "omixa_billing.embedded.redis",
    "tests.chaos.instance",
    "tests.chaos.rabbitmq",
    "tests.gateways.redis_server",
}


def server(item: pytest.Item) -> bool:
    """A database, or a process of its own."""
    assert isinstance(item, pytest.Function)
    if item.get_closest_marker("django_db") or DATABASE & set(item.fixturenames):
        return True
    definitions = item._fixtureinfo.name2fixturedefs
    named = {each.func.__module__ for name in item.fixturenames for each in definitions.get(name, ())}
    modules = [item.module, *(sys.modules[name] for name in named if name.startswith("tests."))]
    return any(starts_processes(each) for each in modules)


@cache
def starts_processes(module: ModuleType) -> bool:
    """Whether it imports something of what does."""
    for each in vars(module).values():
        origin = each.__name__ if isinstance(each, ModuleType) else getattr(each, "__module__", None)
        if origin in STARTS_PROCESSES:
            return True
    return False
