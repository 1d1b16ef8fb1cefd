"""The tests have rooms too: what several use is in tests/kit, and a folder of tests mirrors a folder of code."""

import re
from collections import defaultdict
from pathlib import Path

from tests.project.layers import ROOT, imports

TESTS = ROOT / "tests"
# Stories that run across the stages, and what belongs to omixa_billing.
OF_SEVERAL = {
    "benchmarks",
    "bookkeeping",
    "browser",
    "chaos",
    "embedded",
    "every_address",
    "exactness",
    "front",
    "fuzz",
    "gateways",
    "kit",
    "rate_limits",
    "openapi",
    "project",
    "scenarios",
    "workspaces",
}


def modules() -> list[Path]:
    return sorted(TESTS.rglob("*.py"))


def test_no_module_imports_from_a_test_module() -> None:
    found = {
        str(file.relative_to(ROOT)): name
        for file in modules()
        for name in imports(file)
        if name.startswith("tests.") and re.search(r"\.test_\w+\.?", name)
    }
    assert found == {}


def test_what_a_conftest_has_is_for_its_own_folder() -> None:
    found = []
    for file in modules():
        for name in imports(file):
            folder, _, found_in = name.partition(".conftest")
            if found_in and not file.is_relative_to(ROOT / Path(*folder.split("."))):
                found.append((str(file.relative_to(ROOT)), name))
    assert found == []


def test_no_fixture_is_written_twice_word_for_word() -> None:
    written: dict[str, list[str]] = defaultdict(list)
    for file in modules():
        for body in re.findall(r"^@pytest\.fixture.*\n(?:@.*\n)*def .*\n(?:(?:    .*)?\n)+", file.read_text(), re.MULTILINE):
            written[re.sub(r'\s*"""[^"]*"""', "", body).strip()].append(str(file.relative_to(ROOT)))
    assert len(written) > 100
    assert {body: files for body, files in written.items() if len(files) > 1} == {}


def test_a_folder_of_tests_has_the_name_of_the_code_that_it_tests() -> None:
    for folder in sorted(each for each in TESTS.iterdir() if (each / "__init__.py").exists()):
        if folder.name in OF_SEVERAL:
            continue
        code = ROOT / "metering" / folder.name
        assert code.is_dir(), f"tests/{folder.name} tests nothing of that name"
        for room in sorted(each for each in folder.iterdir() if (each / "__init__.py").exists()):
            assert (code / room.name).is_dir(), f"tests/{folder.name}/{room.name} tests nothing of that name"
