"""A mistyped key is refused without asking the product."""

import pytest
from omixa_litellm.form import kind_of_key

from workspaces.keys.secrets import new_secret, secret_kind


@pytest.mark.parametrize("kind", ["live", "test", "admin", "gateway"])
def test_what_the_product_issues_is_of_its_kind(kind: str) -> None:
    for _ in range(200):
        secret = new_secret(kind)
        assert kind_of_key(secret) == kind == secret_kind(secret)


def test_no_single_changed_character_passes(secret: str) -> None:
    for place in range(len("omx_live_"), len(secret)):
        changed = f"{secret[:place]}{'b' if secret[place] != 'b' else 'c'}{secret[place + 1 :]}"
        assert kind_of_key(changed) is None


@pytest.mark.parametrize("text", ["", "sk-proj-1", "omx_live_", "omx_live_xxx", "omx_live_" + "é" * 36])
def test_what_is_no_key_is_none(text: str) -> None:
    assert kind_of_key(text) is None
