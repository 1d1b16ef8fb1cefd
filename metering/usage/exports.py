"""Usage as files: CSV for spreadsheets, NDJSON for programs. Written row by row, so that any length fits in memory.

In CSV a text that a spreadsheet would run as a formula (it begins with = + - @, a tab or a carriage return) gets an
apostrophe in front, as spreadsheets themselves write it. Whoever needs every text untouched takes NDJSON.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")
NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


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
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(FORMULA_BEGINNINGS) and not NUMBER.fullmatch(text) else text


def ndjson_lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """One JSON object per line."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"
