"""Several structs as one with the fields of all, so that a dialect declares only its own and a body is still read once."""

import types
from collections.abc import Iterable, Sequence
from typing import Any, Union, get_args, get_origin

import msgspec


def merged_struct(name: str, structs: Sequence[type[msgspec.Struct]]) -> type[msgspec.Struct]:
    """Fields of one name are one field, which may be of any of their types; structs that it may be are merged as well.

    Every field is optional: what one dialect always sends, another never does.
    """
    fields: dict[str, list[Any]] = {}
    encoded: dict[str, str] = {}
    for struct in structs:
        for field in msgspec.structs.fields(struct):
            fields.setdefault(field.name, []).extend(_alternatives(field.type))
            if encoded.setdefault(field.name, field.encode_name) != field.encode_name:
                raise TypeError(f"{field.name} stands for {encoded[field.name]} and for {field.encode_name}")
    defined = [(field, _any_of(f"{name}_{field}", kinds), None) for field, kinds in fields.items()]
    return msgspec.defstruct(name, defined, gc=False, rename=encoded)


def _alternatives(kind: Any) -> Iterable[Any]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _any_of(name: str, kinds: Iterable[Any]) -> Any:
    """One type that takes what any of these takes."""
    distinct = list(dict.fromkeys(kinds))
    structs = [kind for kind in distinct if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    if len(structs) > 1:
        distinct = [kind for kind in distinct if kind not in structs] + [merged_struct(name, structs)]
    return Union[tuple(distinct)]  # noqa: UP007  # the types are known only here
