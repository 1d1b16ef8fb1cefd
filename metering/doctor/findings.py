"""What an examination comes to. Importable without settings, which may be the finding."""

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
