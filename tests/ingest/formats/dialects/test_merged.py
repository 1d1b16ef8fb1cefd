"""Several structs read as one."""

from typing import Any

import msgspec
import pytest

from metering.ingest.formats.dialects.merged import merged_struct


class Details(msgspec.Struct):
    cached: int | None = None


class OtherDetails(msgspec.Struct):
    written: int | None = None


class One(msgspec.Struct):
    prompt: int | None = None
    details: Details | None = None


class Another(msgspec.Struct, rename={"camel_total": "totalCount"}):
    prompt: int | None = None
    details: OtherDetails | list[Any] | None = None
    camel_total: int | None = None


Merged: Any = merged_struct("Merged", [One, Another])


def decoded(body: bytes) -> Any:
    return msgspec.json.decode(body, type=Merged)


def test_a_field_of_both_is_one_field_and_their_own_keep_their_names() -> None:
    read = decoded(b'{"prompt": 3, "totalCount": 4}')
    assert (read.prompt, read.camel_total, read.details) == (3, 4, None)


def test_objects_of_one_name_have_the_fields_of_both() -> None:
    details = decoded(b'{"details": {"cached": 1, "written": 2, "other": 3}}').details
    assert (details.cached, details.written) == (1, 2)


def test_what_one_reads_as_a_list_stays_one() -> None:
    assert decoded(b'{"details": [{"modality": "TEXT"}]}').details == [{"modality": "TEXT"}]


def test_what_neither_takes_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"Expected `object \| array \| null`, got `str` - at `\$.details`"):
        decoded(b'{"details": "none"}')


def test_one_name_cannot_stand_for_two_fields_of_the_object() -> None:
    class Renamed(msgspec.Struct, rename={"prompt": "promptCount"}):
        prompt: int | None = None

    with pytest.raises(TypeError, match="prompt stands for prompt and for promptCount"):
        merged_struct("Wrong", [One, Renamed])
