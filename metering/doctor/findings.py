"""What an examination comes to. Importable without settings, which may be the finding."""

import json
import textwrap
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

ERROR, WARNING, INFO = "error", "warning", "info"


@dataclass(frozen=True)
class Finding:
    """`severity` is error when it stops the product's work, warning when it will or costs something, info otherwise."""

    check: str
    severity: str
    message: str
    fix: str


def report(findings: Iterable[Finding]) -> dict[str, Any]:
    """As the command prints it: `ok` unless one of them stops the product's work."""
    listed = list(findings)
    return {"ok": all(each.severity != ERROR for each in listed), "findings": [asdict(each) for each in listed]}


def printed(found: dict[str, Any], for_people: bool, width: int = 100) -> str:
    """A report as programs read it, one line of JSON, or in words for a terminal: what matters most comes first."""
    if not for_people:
        return json.dumps(found, ensure_ascii=False)
    lines = []
    for severity in (ERROR, WARNING, INFO):
        for each in found["findings"]:
            if each["severity"] == severity:
                lines += textwrap.wrap(f"{severity:8}{each['check']}: {each['message']}", width, subsequent_indent=" " * 8)
                lines += [*textwrap.wrap(each["fix"], width, initial_indent=" " * 8, subsequent_indent=" " * 8), ""]
    ends = "No finding stops the product." if found["ok"] else "Findings marked as errors stop the product."
    return "\n".join([*lines, ends])
