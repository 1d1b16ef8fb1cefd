"""The columns that most tables of both apps are made of, so that a migration shows what is particular to its tables."""

from collections.abc import Callable
from typing import Any

from django.db import models


def auto_id() -> Any:
    return models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def big_id() -> Any:
    return models.BigAutoField(primary_key=True, serialize=False)


def composite_key(*columns: str) -> Any:
    return models.CompositePrimaryKey(*columns, blank=True, editable=False, primary_key=True, serialize=False)


def public_id(make: Callable[[], str], **differently: Any) -> Any:
    """The id that people and programs see, with its prefix."""
    return models.CharField(**{"default": make, "editable": False, "max_length": 32, "unique": True} | differently)


def belongs_to(table: str, **extra: Any) -> Any:
    """A row that stays as long as this one does."""
    return models.ForeignKey(table, on_delete=models.PROTECT, **extra)


def number_of(table: str, **extra: Any) -> Any:
    """The number of a row, which nothing checks: in tables that are written per event."""
    return models.ForeignKey(table, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, **extra)


def one_of(*values: str, **extra: Any) -> Any:
    """A code, shown as the same words."""
    choices = [(value, value.replace("_", " ").capitalize()) for value in values]
    return models.CharField(choices=choices, max_length=16, **extra)
