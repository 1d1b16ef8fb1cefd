"""One name for one thing across the stages, and none of the words that the house no longer uses in names."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("metering", "workspaces", "omixa_billing")
# Names that Django, Celery and programs look for, in every module that has one.
CONVENTIONAL = {"Command", "Meta", "Migration", "main", "urlpatterns"}
# One idea has one word and one word one idea: these had several meanings, or none that a search finds.
RETIRED_WORDS = {
    "again",
    "anew",
    "door",
    "doors",
    "judge",
    "judged",
    "judges",
    "judging",
    "mend",
    "mended",
    "mends",
    "parcel",
    "parcels",
    "pursue",
    "pursued",
    "pursues",
    "said",
    "shown",
    "singly",
    "somebody",
    "stretch",
    "stretches",
    "take",
    "taken",
    "takes",
    "taking",
    "thing",
    "things",
    "told",
    "watch",
    "watched",
    "watches",
    "whoever",
}
RETIRED_PHRASES = (
    "by_itself",
    "call_off",
    "give_back",
    "give_up",
    "given_up",
    "go_on",
    "let_go",
    "let_through",
    "too_little",
    "under_way",
)
# A table and a column keep the name that the database has.
NAMES_OF_TABLES = {"AcceptedTakeBack", "credit_taken", "low_balance_told_at", "send_again_at"}
# As variables: a field that pages send, a total that a provider stated, and what a price is for.
STILL_IN_VARIABLES = {"shown", "said", "thing"}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT), ast.parse(path.read_text())


def stage_of(path: Path) -> str:
    return "/".join(path.parts[:2])


def test_no_public_name_stands_for_two_things_in_two_stages() -> None:
    homes: dict[str, set[str]] = defaultdict(set)
    for path, module in modules():
        for node in module.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                homes[node.name].add(stage_of(path))
    assert len(homes) > 1000
    assert {name: sorted(found) for name, found in homes.items() if len(found) > 1 and name not in CONVENTIONAL} == {}


def names() -> Iterator[tuple[Path, str]]:
    """Of modules, classes, functions, methods, parameters and variables."""
    for path, module in modules():
        yield path, path.stem
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node.name
            elif isinstance(node, ast.arg):
                yield path, node.arg
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id.lower() not in STILL_IN_VARIABLES:
                yield path, node.id


def is_retired(name: str) -> bool:
    words = {word.lower() for word in re.split(r"_|(?<=[a-z])(?=[A-Z])", name)}
    return bool(words & RETIRED_WORDS) or any(phrase in name for phrase in RETIRED_PHRASES)


def test_a_retired_word_is_recognised_in_every_spelling() -> None:
    assert [name for name in ("ShownLine", "_take_from", "let_through", "retake", "parcel") if is_retired(name)] == [
        "ShownLine",
        "_take_from",
        "let_through",
        "parcel",
    ]


def test_no_name_has_a_retired_word() -> None:
    found = sorted({f"{path}: {name}" for path, name in names() if is_retired(name)})
    assert [each for each in found if each.partition(": ")[2] not in NAMES_OF_TABLES] == []


# Old words and sayings, in what people read and in what explains the code.
OLD_WORDS = re.compile(
    r"\b(anew|mends?|mended|whoever|somebody|parcels?|go(?:es|ing)? on|given? up|gives up|as it says|told(?! apart)|doors?"
    r"|under way|judg(?:es?|ed|ing))\b",
    re.IGNORECASE,
)
READ_BY_PEOPLE = {".py", ".html", ".txt", ".md", ".js", ".css"}


def texts() -> Iterator[tuple[str, int, str]]:
    """Every line of code, tests, pages and documents of ours, but for this list of words, with where it is."""
    files = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    for folder in (*PACKAGES, "templates", "static", "docs", "tests", "integrations"):
        files += [path for path in (ROOT / folder).rglob("*") if path.suffix in READ_BY_PEOPLE]
    elsewhere = {"migrations", "vendor", "node_modules", ".venv"}
    for path in sorted(path for path in files if not elsewhere & set(path.parts) and path != Path(__file__).resolve()):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            yield str(path.relative_to(ROOT)), number, line


def test_an_old_word_is_recognised_in_a_sentence() -> None:
    lines = ["It is judged at the door.", "Chart series, told apart by hue.", "A judgement", "It Goes On."]
    assert [line for line in lines if OLD_WORDS.search(line)] == [lines[0], lines[3]]


def test_no_text_has_a_retired_word() -> None:
    assert [f"{path}:{number}" for path, number, line in texts() if OLD_WORDS.search(line)] == []
