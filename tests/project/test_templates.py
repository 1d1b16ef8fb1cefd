"""Templates and static files: found where a stranger looks, read without scrolling, and none of them dead."""

import re
from collections import defaultdict
from pathlib import Path

from django.template.utils import get_app_template_dirs

from metering.website.public.examples import LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES, STATIC = ROOT / "templates", ROOT / "static"
# Ours, and so in rooms of our choice. The rest stands where a library or Django looks for it by its name.
OWN = ("console", "documents", "mails", "website")
BY_DJANGO = {"400.html", "403.html", "403_csrf.html", "404.html", "500.html"}
QUOTED = re.compile(r"""["']([\w./-]+)["']""")
OF_A_MAIL = re.compile(r"_(?:message|subject)\.(?:html|txt)$")
AN_ELEMENT = re.compile(r"{% element (\w+)")
MOST_FILES, LONGEST_LINE = 15, 160


def templates() -> list[Path]:
    return sorted(path for path in TEMPLATES.rglob("*") if path.is_file())


def named_anywhere() -> set[str]:
    """Each quoted text of the code and of the templates that could be a file's name."""
    code = [path for package in ("metering", "omixa_billing", "workspaces") for path in (ROOT / package).rglob("*.py")]
    styles = list(STATIC.glob("[!v]*/*.css"))
    return {name for path in [*code, *templates(), *styles] for name in QUOTED.findall(path.read_text())}


def replaces_one_of_a_library(name: str) -> bool:
    """By the name itself; or a mail's text beside the library's plain one."""
    names = {name, name.removesuffix(".html") + ".txt"} if "/email/" in name else {name}
    return any((Path(folder) / each).exists() for folder in get_app_template_dirs("templates") for each in names)


def test_a_short_comment_ends_on_its_line() -> None:
    """Django prints a `{#` whose `#}` is on another line: longer ones stand between comment tags."""
    for path in templates():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert line.count("{#") == line.count("#}"), f"{path.name}:{number}"


def test_a_line_is_short_enough_to_review() -> None:
    long = [
        f"{path.relative_to(TEMPLATES)}:{number}, {len(line)} characters"
        for path in templates()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LONGEST_LINE
    ]
    assert long == []


def test_a_folder_of_our_own_lists_few_enough_files_to_choose_from() -> None:
    folders: dict[str, int] = defaultdict(int)
    own_static = [path for path in STATIC.rglob("*") if path.is_file() and "vendor" not in path.parts]
    for path in [*(path for name in OWN for path in (TEMPLATES / name).rglob("*") if path.is_file()), *own_static]:
        folders[str(path.parent.relative_to(ROOT))] += 1
    assert len(folders) > 15
    assert {folder: count for folder, count in folders.items() if count > MOST_FILES} == {}


def test_templates_stand_in_the_rooms_of_those_who_read_them_or_where_a_library_looks() -> None:
    names = [str(path.relative_to(TEMPLATES)) for path in templates()]
    others = {name for name in names if name.split("/")[0] not in OWN and not replaces_one_of_a_library(name)}
    assert {name for name in others if "/" not in name} == BY_DJANGO
    assert {name.split("/")[0] for name in others - BY_DJANGO} == {"account", "mfa"}  # ours beside the library's


def test_every_template_is_used() -> None:
    named = named_anywhere() | {f"website/public/examples/{language}.txt" for language, _ in LANGUAGES} | BY_DJANGO
    names = {str(path.relative_to(TEMPLATES)) for path in templates()}
    unused = {name for name in names - named if OF_A_MAIL.sub("", name) not in named}
    assert {name for name in unused if not replaces_one_of_a_library(name)} == set()
    elements = {path.stem for path in (TEMPLATES / "allauth/elements").iterdir()}
    assert elements == {name for path in templates() for name in AN_ELEMENT.findall(path.read_text())}


def test_every_template_that_another_names_exists() -> None:
    naming = re.compile(r"""{% (?:extends|include) ["']([\w./-]+)["']""")
    for path in templates():
        for name in naming.findall(path.read_text()):
            assert (TEMPLATES / name).exists() or replaces_one_of_a_library(name), (path.name, name)


def test_every_static_file_is_used() -> None:
    named = named_anywhere()
    files = [path.relative_to(STATIC) for path in STATIC.rglob("*.*") if path.suffix in (".css", ".js", ".svg")]
    assert len(files) > 10
    beside = {path for path in files if path.suffix == ".svg" and path.name in named}  # a style names its picture so
    assert {str(path) for path in files} - named - {str(path) for path in beside} == set()
