"""What numbers begin with is checked at the start, not when the first credit note fails."""

import pytest

from tests.kit.started import start


@pytest.mark.parametrize("prefix", ["", "ABCDEFGHIJKLMN", "OMX_2026", "OMX%", "O MX", "ÖMX", "OMX-CN", "-CN", "OMX\n"])
def test_a_prefix_that_cannot_be_used_is_a_refusal_to_start(prefix: str) -> None:
    refused = start(INVOICE_NUMBER_PREFIX=prefix)
    assert refused.returncode != 0
    assert "INVOICE_NUMBER_PREFIX is 1 to 13 letters, digits and dashes, and does not end in -CN" in refused.stderr
    assert f"{prefix!r} cannot be used." in refused.stderr


@pytest.mark.parametrize("prefix", ["ABCDEFGHIJKLM", "A", "acme-2026", "CN"])
def test_a_prefix_that_can_be_used_starts(prefix: str) -> None:
    assert start(INVOICE_NUMBER_PREFIX=prefix).stdout == "False False\n"
