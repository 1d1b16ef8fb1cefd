"""Rows of statements that are written out, for what is read at each balance, preview and closing.

Putting such a statement together again for each call costs more time than asking it, and asking several at once costs one way
to the database and back.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model

Row = TypeVar("Row", bound=Model)


def fetch_together(statements: Sequence[str], parameters: Mapping[str, Any]) -> list[list[tuple[Any, ...]]]:
    """The rows of each statement, in their order. They share their parameters."""
    with connection.cursor() as cursor:
        cursor.execute(";\n".join(statements), parameters)
        found = [cursor.fetchall()]
        while cursor.nextset():
            found.append(cursor.fetchall())
        return found


def columns_of(model: type[Model], alias: str) -> str:
    """All columns, as `instances_of` takes them. JSON of them stays text."""
    return ", ".join(f"{alias}.{field.column}" for field in model._meta.concrete_fields)


def instances_of(model: type[Row], rows: Iterable[Sequence[Any]]) -> list[Row]:
    """What the ORM would make of rows whose first columns are those of `columns_of`."""
    names = [field.attname for field in model._meta.concrete_fields]
    return [model.from_db(DEFAULT_DB_ALIAS, names, row[: len(names)]) for row in rows]
