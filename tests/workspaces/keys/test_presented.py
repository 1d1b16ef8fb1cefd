"""Where a secret belongs, which every part of the product asks in one place."""

import pytest
from django.conf import settings
from django.test import RequestFactory

from omixa_billing.front.head import RequestHead
from omixa_billing.front.pages import body_limit, is_credible
from omixa_billing.rate_limits.middleware import credential_of
from workspaces.keys import secrets
from workspaces.keys.presented import secret_of

ANTHROPIC, OURS = "/compat/anthropic/v1/organizations/cost_report", "/api/v1/usage"
# Always the same, as they name tests that several processes collect.
KEY, OTHER = (f"omx_admin_{each * 30}{secrets.checksum(each * 30)}" for each in "ab")


def head(path: str, **headers: str) -> RequestHead:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    about = {"method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "scheme": "http"}
    return RequestHead(
        {**about, "headers": sent, "client": ("127.0.0.1", 1), "server": ("localhost", 80), "http_version": "1.1"}
    )


@pytest.mark.parametrize(
    ("path", "headers", "secret"),
    [
        (OURS, {"authorization": f"Bearer {KEY}"}, KEY),
        (OURS, {"x-api-key": KEY}, None),
        (OURS, {}, None),
        (OURS, {"authorization": "Basic b3duZXI6cGFzc3dvcmQ="}, None),
        (ANTHROPIC, {"x-api-key": f" {KEY} "}, KEY),
        (ANTHROPIC, {"authorization": f"Bearer {KEY}"}, KEY),
        (ANTHROPIC, {"authorization": f"Bearer {KEY}", "x-api-key": OTHER}, KEY),
        (ANTHROPIC, {"authorization": "Basic b3duZXI6cGFzc3dvcmQ=", "x-api-key": KEY}, KEY),
        (ANTHROPIC, {"x-api-key": ""}, ""),
        (ANTHROPIC, {}, None),
    ],
)
def test_the_secret_of_a_request(path: str, headers: dict[str, str], secret: str | None) -> None:
    assert secret_of(RequestFactory().get(path, headers=headers)) == secret


def test_one_key_counts_once_however_it_is_sent() -> None:
    named = {
        credential_of(RequestFactory().get(ANTHROPIC, headers=headers))
        for headers in ({"authorization": f"Bearer {KEY}"}, {"x-api-key": KEY})
    }
    assert len(named) == 1
    assert named != {credential_of(RequestFactory().get(ANTHROPIC, headers={"x-api-key": OTHER}))}


def test_the_front_reads_a_body_for_what_could_be_a_key_only() -> None:
    assert is_credible(head(ANTHROPIC, x_api_key=KEY))
    assert not is_credible(head(ANTHROPIC, x_api_key="sk-ant-admin01-of-theirs"))
    assert not is_credible(head(ANTHROPIC))
    assert not is_credible(head(OURS, x_api_key=KEY))
    assert not is_credible(head("/v1/organization/costs"))
    assert body_limit(head(ANTHROPIC, x_api_key=KEY)) == settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert body_limit(head(OURS, x_api_key=KEY)) == settings.ANONYMOUS_MAX_BYTES
