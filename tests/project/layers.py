"""What the tests of the house's order read: where it is, and who imports what."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def imports(file: Path, for_types: bool = True) -> Iterator[str]:
    """Every module that a file names in an import, as a dotted name. Those for type checkers alone may be left out."""
    module = ast.parse(file.read_text())
    type_blocks = [] if for_types else [node for node in ast.walk(module) if _is_for_types(node)]
    left_out = {id(inner) for block in type_blocks for inner in ast.walk(block)}
    for node in ast.walk(module):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
