"""What stands in a CSV runs nowhere, whichever separator the spreadsheet that opens it uses, and numbers stay numbers."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from metering.usage.exports import csv_cell, csv_download, csv_lines

ROOT = Path(__file__).resolve().parents[2]
PAYLOAD = "cmd|'/c calc'!A0"
FULL_WIDTH = "\uff1d\uff0b\uff0d\uff20"  # equals, plus, minus, at
BEGINNINGS = [*"=+-@|", *FULL_WIDTH]
UNSEEN = ["", " ", "\t", "\r", "\n", "\r\n", "\u00a0", "\u200b", "\ufeff", '"', ' "', "\x1f"]
SEPARATORS = [",", ";", "\t", "|", " "]


def cells_of(text: str, separator: str) -> list[str]:
    """As a spreadsheet reads the file, with this separator: with its quotes, and by a reader that knows none."""
    read = list(csv.reader(io.StringIO(text), delimiter=separator))
    plain = [line.split(separator) for line in re.split(r"[\r\n\v\f\x85\u2028\u2029]", text)]
    return [cell for row in read + plain for cell in row]


def runs(cell: str) -> bool:
    """Whether a spreadsheet takes the cell for a formula."""
    seen = cell.lstrip(' \t\r\n"\x1f\u00a0\u200b\ufeff')
    return bool(seen) and seen[0] in BEGINNINGS and not re.fullmatch(r"-?\d+(\.\d+)?", seen) and len(seen) > 1


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("unseen", UNSEEN)
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_no_cell_begins_a_formula_whatever_separates_them(beginning: str, unseen: str, separator: str) -> None:
    attack = f"{unseen}{beginning}{PAYLOAD}"
    for text in (attack, *(f"harmless{between}{attack}" for between in [*SEPARATORS, "\n", "\r\n"])):
        for lines in (
            csv_lines(["name", "cost"], [{"name": text, "cost": "-1.50"}]),
            csv_lines(["id", "detail"], [{"id": "r", "detail": {"team": text}}]),
        ):
            found = [cell for cell in cells_of("".join(lines), separator) if runs(cell) and PAYLOAD[:3] in cell]
            assert found == [], (text, found)


@pytest.mark.parametrize(
    "value",
    [
        *("-1.50", "0.000000000000", "-0.000000000001", "12345678901234567890", "codex-mini, output", "VAT 19 %", "a-b_c=d"),
        *("Net 14 - thank you", "fee -5.00 USD", "req_1/../x", "https://example.com/?a=b", "a@b.example", "Käufer in 日本"),
    ],
)
def test_numbers_and_plain_words_are_as_they_are(value: str) -> None:
    assert csv_cell(value) == value


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("\n=1+1", "'\n'=1+1"),
        (" +1", " '+1"),
        ("x;=1+1", "x;'=1+1"),
        ("x\t@SUM(1)", "x\t'@SUM(1)"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("'=1+1", "'=1+1"),
        ("a =b", "a '=b"),
        ("-", "'-"),
        (None, ""),
        (True, "true"),
        (-5, "-5"),
        ([-1, 2], "[-1, 2]"),
    ],
)
def test_an_apostrophe_goes_before_what_would_begin_a_formula(value: object, cell: str) -> None:
    assert csv_cell(value) == cell


def test_an_object_is_still_the_same_json() -> None:
    value = {"a;=b": ["=1", -5, "x|y@z", FULL_WIDTH, {"é": None}]}
    cell = csv_cell(value)
    assert json.loads(cell) == value
    assert not set(cell) & set(";=@|" + FULL_WIDTH)


def test_only_people_get_a_byte_order_mark() -> None:
    rows = [{"name": "Käufer"}]
    for for_people, beginning in ((True, b"\xef\xbb\xbfname\r\n"), (False, b"name\r\n")):
        answer = csv_download("a.csv", ["name"], rows, for_people=for_people)
        assert b"".join(answer.streaming_content) == beginning + "Käufer\r\n".encode()  # type: ignore[arg-type]
        assert answer.headers["Content-Disposition"] == 'attachment; filename="a.csv"'


def test_there_is_one_writer_of_csv() -> None:
    writers = [
        str(path.relative_to(ROOT))
        for package in ("metering", "workspaces", "omixa_billing")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"csv\.(writer|DictWriter)|^\s*from csv import .*[wW]riter", path.read_text(), re.MULTILINE)
    ]
    assert writers == ["metering/usage/exports.py"]
