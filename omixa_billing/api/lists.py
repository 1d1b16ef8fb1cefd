"""A list of the API: at most `limit` rows after the one that `cursor` names, in one envelope."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from rest_framework import serializers

from omixa_billing.api.cursors import decode_name, encode_cursor, invalid_cursor

Row = TypeVar("Row")
Stored = TypeVar("Stored", bound=Model)
Position = TypeVar("Position")


class CursorQuery(serializers.Serializer[Any]):
    """What every list takes in the query, beside a limit of its own."""

    cursor = serializers.CharField(required=False, help_text="`next_cursor` of the page before.")


def limit_field(most: int, usual: int | None = None, help_text: str | None = None) -> serializers.IntegerField:
    """How many rows a page has: `usual` if the query does not say, all of them if that is None."""
    absent: dict[str, Any] = {"required": False} if usual is None else {"default": usual}
    return serializers.IntegerField(min_value=1, max_value=most, help_text=help_text, **absent)


def list_answer(data: Iterable[Any], next_cursor: str | None, **about: Any) -> dict[str, Any]:
    """The envelope, with what else the list says of itself."""
    return {"object": "list", **about, "data": list(data), "next_cursor": next_cursor}


def list_serializer(
    name: str, item: type[serializers.BaseSerializer[Any]], help_text: str | None = None, **about: Any
) -> type[serializers.Serializer[Any]]:
    """The envelope as the OpenAPI document describes it under `name`, which ends in Serializer."""
    fields = {
        "object": serializers.ChoiceField(choices=["list"]),
        **about,
        "data": item(many=True, help_text=help_text),
        "next_cursor": serializers.CharField(allow_null=True),
    }
    return type(name, (serializers.Serializer,), fields)


def page_of(
    rows: QuerySet[Stored],
    query: Mapping[str, Any],
    known: QuerySet[Stored] | None = None,
    name: str = "public_id",
    plain: bool = False,
) -> tuple[list[Stored], str | None]:
    """The page of ordered rows that the query asks for (`limit`, `cursor`), and the next cursor. Raises InvalidParameter.

    A cursor names the last row of the page before by its field `name`, among those of `known` where `rows` are only some of
    them. `plain`: it is that name itself.
    """
    if "cursor" in query:
        named = query["cursor"] if plain else decode_name(query["cursor"])
        last = (rows if known is None else known).prefetch_related(None).filter(**{name: named}).first()
        if last is None:
            raise invalid_cursor()
        rows = rows_after(rows, last)

    def cursor_of(row: Stored) -> str:
        return str(getattr(row, name)) if plain else encode_cursor([getattr(row, name)])

    return cut_page(rows, query.get("limit"), cursor_of)


def rows_after(rows: QuerySet[Stored], last: Stored) -> QuerySet[Stored]:
    """The rows that follow `last` in the order of the queryset, whose fields together are unique."""
    after, equal = Q(), Q()
    for field in rows.query.order_by:
        name = str(field).removeprefix("-")
        value = getattr(last, name)
        after |= equal & Q(**{f"{name}__{'gt' if name == field else 'lt'}": value})
        equal &= Q(**{name: value})
    return rows.filter(after)


def cut_page(
    rows: QuerySet[Stored] | list[Row], limit: int | None, position_of: Callable[[Any], Position]
) -> tuple[list[Any], Position | None]:
    """At most `limit` of the rows, and the position of the last of them where more follow. No limit is all of them."""
    page = list(rows if limit is None else rows[: limit + 1])
    if limit is None or len(page) <= limit:
        return page, None
    return page[:limit], position_of(page[limit - 1])
