"""What documents call a tax: its percentage is printed once, whatever the operator wrote into its name."""

import pytest

from metering.invoicing.composing.taxes import tax_label


@pytest.mark.parametrize(
    ("name", "percent", "label"),
    [
        ("VAT Germany", "19.000", "VAT Germany 19 %"),
        ("VAT Germany 19 %", "19.000", "VAT Germany 19 %"),
        ("VAT Germany 19%", "19", "VAT Germany 19%"),
        ("19 % VAT", "19", "19 % VAT"),
        ("TVA 5,5 %", "5.500", "TVA 5,5 %"),
        ("VAT 119 %", "19", "VAT 119 % 19 %"),
        ("VAT 7 %", "19", "VAT 7 % 19 %"),
        ("Zone 19", "19", "Zone 19 19 %"),
        ("GST", "0", "GST 0 %"),
    ],
)
def test_the_percentage_is_said_once(name: str, percent: str, label: str) -> None:
    assert tax_label(name, percent) == label
