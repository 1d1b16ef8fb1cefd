"""Templates say nothing to their readers that was meant for their writers."""

from pathlib import Path

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


def test_a_short_comment_ends_on_its_line() -> None:
    """Django prints a `{#` whose `#}` is on another line: longer ones stand between comment tags."""
    for path in TEMPLATES.rglob("*"):
        if path.is_file():
            for number, line in enumerate(path.read_text().splitlines(), 1):
                assert line.count("{#") == line.count("#}"), f"{path.name}:{number}"
