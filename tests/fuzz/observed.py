"""Which names a page looks up in an address or a form, observed while it answers, so that no list of them has to be kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.http import QueryDict

names: set[str] = set()
NOT_OF_THE_PAGE = {"csrfmiddlewaretoken"}


class Observed(QueryDict):
    """Remembers every name that is asked for, there or not."""

    def __getitem__(self, key: str) -> Any:
        names.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        names.add(str(key))
        return super().__contains__(key)

    def _getlist(self, key: str, default: Any = None, force_list: bool = False) -> Any:
        names.add(key)
        return super()._getlist(key, default, force_list)  # type: ignore[misc]


@contextmanager
def observing() -> Iterator[set[str]]:
    """What is in the set after the block was looked up in it."""
    names.clear()
    found: set[str] = set()
    with mock.patch("django.core.handlers.wsgi.QueryDict", Observed), mock.patch("django.http.request.QueryDict", Observed):
        yield found
    found |= names - NOT_OF_THE_PAGE
