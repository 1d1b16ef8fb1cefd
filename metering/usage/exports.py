"""The one place that writes CSV, for spreadsheets, and NDJSON, for programs. Row by row, so that any length fits in memory.

A spreadsheet runs a cell that begins as a formula, and which text is a cell depends on the separator that its reader chose: a
comma, a semicolon, a tab, a space. So an apostrophe goes in front of whatever would begin a formula in any of them. Numbers
stay numbers. NDJSON leaves every text untouched.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.http import StreamingHttpResponse

# How spreadsheets know that a file is UTF-8.
BYTE_ORDER_MARK = "\ufeff"
NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
# As Excel and LibreOffice take it, full-width forms included; a bar begins a call of another program (DDE).
FORMULA = r"[=+\-@\uff1d\uff0b\uff0d\uff20|]"
# What stands before a cell's text without being seen.
UNSEEN = r"[\s\"\x00-\x1f\x7f\xa0\xad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]"
AT_THE_START = re.compile(rf"\A(?=[\t\r\n]|{UNSEEN}*{FORMULA})")
AFTER_A_SEPARATOR = re.compile(rf"([,;|\t\r\n\v\f\x85\u2028\u2029]{UNSEEN}*)(?={FORMULA})")
# Of words with a space between them, those that are no number and no lone dash.
AFTER_A_SPACE = re.compile(rf"([ \xa0]{UNSEEN}*)(?={FORMULA}\S)(?!-\d+(?:\.\d+)?%?(?:[ \xa0]|\Z))")
# In an object the same is written as JSON writes any character, so that it is still the same object.
TEXT_IN_JSON, SIGN = re.compile(r'"(?:[^"\\]|\\.)*"'), re.compile(r"(?<!\w)[+\-]")
IN_JSON = {ord(each): f"\\u{ord(each):04x}" for each in ";|=@\uff1d\uff0b\uff0d\uff20\x85\u2028\u2029"}


class _Line:
    """A file for csv.writer that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def csv_lines(columns: list[str], rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A header and a line per row, RFC 4180. Null is an empty cell, objects and booleans are as in JSON."""
    writer = csv.writer(_Line())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([csv_cell(row[column]) for column in columns])


def csv_cell(value: Any) -> str:
    """One value as a cell's text; whatever reads as a plain number, amounts included, as it is."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return _defused_json(json.dumps(value, ensure_ascii=False))
    if NUMBER.fullmatch(value):
        return value
    text = AFTER_A_SPACE.sub(r"\1'", AFTER_A_SEPARATOR.sub(r"\1'", value))
    return AT_THE_START.sub("'", text)


def _defused_json(text: str) -> str:
    def spelled_out(sign: re.Match[str]) -> str:
        return f"\\u{ord(sign[0]):04x}"

    return TEXT_IN_JSON.sub(lambda quoted: SIGN.sub(spelled_out, quoted[0]), text).translate(IN_JSON)


def csv_download(
    name: str, columns: list[str], rows: Iterable[dict[str, Any]], for_people: bool = False
) -> StreamingHttpResponse:
    """The file as a download. `for_people` begins it with a byte order mark, which programs would read as a letter."""
    lines = csv_lines(columns, rows)
    return download(name, "text/csv", _marked(lines) if for_people else lines)


def download(name: str, content_type: str, lines: Iterable[str]) -> StreamingHttpResponse:
    response = StreamingHttpResponse(lines, content_type=f"{content_type}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def ndjson_lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """One JSON object per line."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _marked(lines: Iterator[str]) -> Iterator[str]:
    yield BYTE_ORDER_MARK
    yield from lines
