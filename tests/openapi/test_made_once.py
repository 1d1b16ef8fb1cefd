"""The document is dear to make and the same for everybody."""

import json
from typing import Any

import pytest
import yaml
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from omixa_billing.api import schema

SCHEMA = "/api/v1/schema/"
JSON = {"accept": "application/json"}


def test_it_is_made_once_however_often_and_in_which_form_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    get_schema = SchemaGenerator.get_schema

    def counted(self: Any, *arguments: Any, **more: Any) -> Any:
        made.append(self)
        return get_schema(self, *arguments, **more)

    monkeypatch.setattr(SchemaGenerator, "get_schema", counted)
    schema.forget_schema()
    asked = [
        Client().get(SCHEMA),
        Client().get(SCHEMA, headers=JSON),
        Client().get(f"{SCHEMA}?version=9"),
        Client().get(SCHEMA),
    ]
    assert [answer.status_code for answer in asked] == [200] * 4
    assert len(made) == 1
    assert yaml.safe_load(asked[0].content) == json.loads(asked[1].content)
    assert asked[0].content == asked[2].content == asked[3].content


def test_who_has_it_already_is_told_so() -> None:
    first = Client().get(SCHEMA, headers=JSON)
    assert first["Cache-Control"] == "no-cache"
    again = Client().get(SCHEMA, headers=JSON | {"if-none-match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    yaml_form = Client().get(SCHEMA)
    assert yaml_form["ETag"] != first["ETag"]
    assert "Accept" in yaml_form["Vary"]
