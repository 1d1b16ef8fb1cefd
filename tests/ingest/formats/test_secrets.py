"""A person's secret in what a gateway sent is shown to nobody; what only looks a little like one stays readable."""

import pytest

from metering.ingest.formats.secrets import content_without_secrets, text_without_secrets, without_secrets
from metering.ingest.quarantine.changes import edits


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnopqrstuvwx",
        "sk-ant-api03-abcdefghijklmnopqrst-AA",
        "sk-or-v1-0123456789abcdef0123456789abcdef",
        "sk_live_51abcdefghijklmnop",
        "xai-abcdefghijklmnopqrstuvwxyz",
        "gsk_abcdefghijklmnopqrstuvwxyz",
        "hf_abcdefghijklmnopqrstuvwxyz",
        "AIzaSyA-0123456789abcdefghijklmnopqrstu",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        "xoxb-123456789012-abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
        "omx_live_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17",
    ],
)
def test_what_has_the_shape_of_a_secret_is_removed(secret: str) -> None:
    shown = without_secrets(f"before {secret}, after")
    assert secret not in shown
    assert shown.startswith("before ")
    assert shown.endswith("[removed], after")


def test_the_secret_goes_and_what_is_around_it_stays() -> None:
    assert without_secrets("Authorization: Bearer abc.def-123_456") == "Authorization: Bearer [removed]"
    assert without_secrets("postgres://me:pa55@db.example/x") == "postgres://me:[removed]@db.example/x"


@pytest.mark.parametrize(
    "text",
    [
        "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012345",
        "key_0N885JKF2WaOYVRpsXRL",
        "req_1",
        "task-sk-1",
        "https://api.example:8443/v1/chat?model=a@b",
        "a bearer of bad news",
        "2026-10-15T11:55:00Z",
        "123e4567-e89b-12d3-a456-426614174000",
        "hf-meta-llama-3-70b-instruct",
        "xai-grok-4-fast-reasoning-latest",
        "gsk-llama-3-70b-8192-versatile",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_fields_are_known_by_their_names_and_the_request_id_is_kept() -> None:
    sent = {
        "request_id": "sk-proj-abcdefghijklmnopqrstuvwx",
        "usage": {"prompt_tokens": 1, "cached_tokens": "12"},
        "metadata": {
            "API_KEY": "a",
            "x-api-key": "b",
            "password": "c",
            "user": {"access_token": "d"},
            "token": "e",
            "empty": "",
        },
        "headers": [{"Authorization": "f"}, "Bearer 0123456789"],
        "token_type": "bearer",
        "max_token": "5",
        "secret": None,
    }
    gone = "[removed]"
    assert content_without_secrets(sent) == {
        **sent,
        "metadata": {
            "API_KEY": gone,
            "x-api-key": gone,
            "password": gone,
            "user": {"access_token": gone},
            "token": gone,
            "empty": "",
        },
        "headers": [{"Authorization": gone}, f"Bearer {gone}"],
    }
    assert content_without_secrets(["Bearer 0123456789"]) == [f"Bearer {gone}"]


def test_a_text_that_is_no_json_is_known_by_its_fields_too() -> None:
    text = '{"password": "a\\"b", "note": "c", "x-api-key" : "d'
    assert text_without_secrets(text) == '{"password": "[removed]", "note": "c", "x-api-key" : "[removed]'


# Five mebibytes of any of these took hours when the search began again at every character.
@pytest.mark.parametrize("run", ["0a", "-eyJ012345678", "a://", "Bearer\t", '"a":', "sk-abc "])
def test_a_long_run_of_anything_is_searched_once(run: str) -> None:
    content = (run * 1_000_000)[:1_000_000]
    assert text_without_secrets(content) == content


def test_the_trail_of_an_edit_names_fields_and_holds_no_secret() -> None:
    before = (
        b'{"usage": {"prompt_tokens": 1, "kept": [1]}, "user": "sk-proj-abcdefghijklmnopqrstuvwx", "stream": true, "gone": 1}'
    )
    after = b'{"usage": {"prompt_tokens": 2, "kept": [1]}, "user": "me", "stream": 1, "note": {"a": "\\u0000b"}}'
    assert edits(before, after) == {
        "usage.prompt_tokens": [1, 2],
        "user": ["[removed]", "me"],
        "stream": [True, 1],
        "gone": [1, None],
        "note": [None, '{"a": "\\u0000b"}'],
    }
    assert edits(b"\xff{", b"{}") == {"whole": ["\N{REPLACEMENT CHARACTER}{", "{}"]}
    assert edits(b'{"a": 12345678901234567890}', b'{"a": "' + b"x" * 300 + b'"}') == {
        "a": ["12345678901234567890", "x" * 199 + "…"]
    }
    deep = b'{"a": ' * 900 + b'"sk-proj-abcdefghijklmnopqrstuvwx"' + b"}" * 900
    assert "sk-proj" not in str(edits(deep, b"{}"))
    assert len(edits(b"{}", b"{" + b",".join(b'"f%d": 1' % at for at in range(90)) + b"}")) == 50
