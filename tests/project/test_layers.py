"""Who may import whom: the folders are the pipeline, and knowledge runs one way along it. And how the house stays legible."""

import ast
import re
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from django.apps import apps

from tests.project.layers import ROOT, imports

PACKAGES = ("omixa_billing", "workspaces", "metering")
STAGES = [
    "catalogue",
    "pricing",
    "ingest",
    "rollups",
    "notifications",
    "limits",
    "revisions",
    "worker",
    "usage",
    "journal",
    "credits",
    "invoicing",
    "payments",
    "reports",
    "compatible",
    "alerts",
    "offboarding",
    "operator_api",
    "reconcile",
    "console",
    "website",
]
# Gathers the stages for Django, Celery and operators; no stage imports these.
GATHERERS = {"admin.py", "models.py", "tasks.py", "health.py", "metrics.py"}


def stage_files() -> list[Path]:
    return [file for stage in STAGES for file in sorted((ROOT / "metering" / stage).rglob("*.py"))]


def test_there_is_something_to_check() -> None:
    assert len(stage_files()) > 40


@pytest.mark.parametrize("file", stage_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_stage_imports_only_stages_before_it(file: Path) -> None:
    own = STAGES.index(file.relative_to(ROOT / "metering").parts[0])
    for name in imports(file):
        parts = name.split(".")
        if parts[0] == "metering" and len(parts) > 1 and parts[1] in STAGES:
            assert STAGES.index(parts[1]) <= own, f"{file.name} imports {name}, which comes later in the pipeline"
        assert name not in {f"metering.{gatherer.removesuffix('.py')}" for gatherer in GATHERERS}


@pytest.mark.parametrize("file", sorted((ROOT / "workspaces").rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_workspaces_know_nothing_of_metering(file: Path) -> None:
    assert not [name for name in imports(file) if name.split(".")[0] == "metering"]


def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in source_files()}


# A person's save is recorded whatever calls it, and what records it reads who the person is: each within a function.
AROUND_A_SAVE = {("workspaces.models", "workspaces.audit.people"), ("workspaces.audit.people", "workspaces.signin.changed")}


def test_no_module_needs_one_that_needs_it() -> None:
    """Neither while it is loaded nor later; what only a type checker reads is not counted."""
    known = modules()
    needs: dict[str, set[str]] = {}
    for name, file in known.items():
        found = {each if each in known else each.rpartition(".")[0] for each in imports(file, for_types=False)}
        needs[name] = {each for each in found & known.keys() - {name} if (name, each) not in AROUND_A_SAVE}
    assert sum(map(len, needs.values())) > 3000
    TopologicalSorter(needs).prepare()  # raises CycleError, which names them


def test_the_architecture_page_shows_the_stages_in_this_order() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.partition("## The stages of `metering/`")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == STAGES


def test_the_architecture_page_names_only_files_and_rooms_that_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = {name for name in re.findall(r"`([\w/]+(?:/|\.py))`", page) if "/" in name}
    places = [
        ROOT,
        ROOT / "metering",
        ROOT / "metering" / "invoicing",
        ROOT / "metering" / "payments",
        ROOT / "metering" / "ingest",
        ROOT / "metering" / "notifications",
    ]
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []


# Where Django looks for them.
OF_DJANGO = {"management", "commands", "migrations", "templatetags"}


def rooms() -> list[Path]:
    """Every folder below a package's first level, or a stage, that has code."""
    found = {file.parent.relative_to(ROOT) for file in source_files() if file.name != "__init__.py"}
    return sorted(room for room in found if len(room.parts) > 1 and not OF_DJANGO & set(room.parts))


def test_the_architecture_page_names_every_room() -> None:
    """Those of a stage in its row, all others by their path."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` (\|.*)$", page, re.MULTILINE))
    missing = []
    for room in rooms():
        package, first, *inner = room.parts
        if package == "metering" and first in STAGES:
            missing += [str(room) for name in inner if f"`{name}`" not in rows[first]]
        elif (f"`{first}`" if package == "metering" else f"`{room}/`") not in page:
            missing.append(str(room))
    assert len(rooms()) > 70
    assert missing == []


def source_files() -> list[Path]:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    return [file for file in files if "migrations" not in file.parts]


def test_a_folder_lists_few_enough_files_to_choose_from() -> None:
    """A folder of more than this has rooms of its own, in which a stranger looks first. Django looks for commands in one."""
    folders: dict[Path, int] = defaultdict(int)
    for file in source_files():
        if file.name != "__init__.py" and file.parent.name != "commands":
            folders[file.parent.relative_to(ROOT)] += 1
    assert {str(folder): count for folder, count in folders.items() if count > 15} == {}


LOCK_HOMES = {
    "Workspace": "workspaces/locks.py",
    "Invoice": "metering/invoicing/locks.py",
    "Payment": "metering/payments/locks.py",
    "PaymentAttempt": "metering/payments/locks.py",
    "TopUp": "metering/payments/locks.py",
}


def locked_tables(source: str) -> set[str]:
    """Of which of these a statement locks rows: `Invoice` for `Invoice.objects.filter(...).select_for_update()`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr == "select_for_update":
            root: ast.expr = node
            while isinstance(root, ast.Attribute | ast.Call):
                root = root.value if isinstance(root, ast.Attribute) else root.func
            found |= {root.id} & LOCK_HOMES.keys() if isinstance(root, ast.Name) else set()
    return found


def test_a_lock_has_one_spelling() -> None:
    spelled = {(table, str(file.relative_to(ROOT))) for file in source_files() for table in locked_tables(file.read_text())}
    assert spelled == set(LOCK_HOMES.items())
    assert locked_tables("Invoice.objects.filter(pk=1).order_by('pk').select_for_update(of=('self',)).first()") == {"Invoice"}


API_BASICS = {"ErrorSerializer", "InvalidParameter", "InstantField", "DateTimeField"}


def test_the_basics_of_the_api_have_one_home() -> None:
    """Nothing else spells the envelope of lists, reads instants of requests, or describes errors."""
    found = []
    for file in source_files():
        if file.is_relative_to(ROOT / "omixa_billing" / "api"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and node.value == "next_cursor":
                found.append((file.name, "next_cursor"))
            if isinstance(node, ast.ClassDef):
                names = {node.name} | {ast.unparse(base).split(".")[-1] for base in node.bases}
                found += [(file.name, name) for name in names & API_BASICS]
    assert found == []


def test_each_table_is_in_the_models_of_its_room() -> None:
    """The sequences of numbers are with what draws from them."""
    modules = {model.__module__ for app in ("metering", "workspaces") for model in apps.get_app_config(app).get_models()}
    assert len(modules) > 10
    assert {name for name in modules if not name.endswith(".models")} == {"metering.invoicing.numbering"}


def test_files_stay_small_enough_to_read() -> None:
    """Tests and migrations as well."""
    files = [file for folder in (*PACKAGES, "tests", "integrations") for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 1000
    long = {str(file.relative_to(ROOT)): count for file in files if (count := len(file.read_text().splitlines())) > 400}
    assert long == {}


def test_only_the_room_of_a_provider_imports_its_library() -> None:
    home = ROOT / "metering" / "payments" / "stripe"
    importing = {file for file in source_files() if any(name.split(".")[0] == "stripe" for name in imports(file))}
    assert importing
    assert {str(file) for file in importing if not file.is_relative_to(home)} == set()


def test_openais_shapes_know_nothing_of_other_providers() -> None:
    """Other providers are recognised by what they add to these; what proxies repeat in them has a home beside both."""
    found = {
        (file.name, name)
        for file in (ROOT / "metering/ingest/formats/dialects/openai").glob("*.py")
        for name in imports(file)
        if name.startswith("metering.ingest.formats.dialects.providers")
    }
    assert found == set()


def test_what_collects_money_asks_the_provider_by_its_protocol() -> None:
    """One module says which provider it is; the inbox of Stripe's webhooks checks Stripe's signatures."""
    payments = ROOT / "metering" / "payments"
    importing = {
        str(file.relative_to(payments))
        for file in source_files()
        if not file.is_relative_to(payments / "stripe")
        and any(name.startswith("metering.payments.stripe") for name in imports(file))
    }
    assert importing == {"provider/current.py", "webhooks/inbox.py"}


def test_no_float_comes_near_money() -> None:
    """Outside times, sizes and pictures: the stages that count, rate and bill never call float()."""
    exact = [
        file
        for stage in (
            "catalogue",
            "pricing",
            "ingest",
            "rollups",
            "revisions",
            "worker",
            "journal",
            "credits",
            "invoicing",
            "payments",
            "reports",
        )
        for file in (ROOT / "metering" / stage).rglob("*.py")
    ] + [ROOT / "metering" / "money.py"]
    for file in exact:
        names = {node.id for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Name)}
        assert "float" not in names, file


# Of events and holds, which have one digit; HTTP's have three.
TYPED_STATUS = re.compile(
    r"""\bstatus\b"?(::\w+)?\s*(=|<>|!=|[<>]=?|(not\s+)?in|is\s+(not\s+)?distinct\s+from|between|when)\s*(any)?[\s('{]*\d(?!\d)""",
    re.IGNORECASE,
)


def test_status_numbers_are_not_typed_into_sql() -> None:
    """`EventStatus` has them, and the conditions that are asked for in SQL beside it."""
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in source_files()
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if TYPED_STATUS.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "WHERE status = 2",
        "AND event.status<>1",
        "status not in (0, 3)",
        "hold.status::int IN ( 1)",
        'SET "status" = 3 WHERE id = 7',
        "status = ANY('{0,1}')",
        "CASE status WHEN 2 THEN",
        "status IS DISTINCT FROM 1",
        "status between 0 and 1",
    ],
)
def test_a_status_number_is_recognised_in_every_spelling(line: str) -> None:
    assert TYPED_STATUS.search(line)


def test_what_is_no_status_number_is_none() -> None:
    lines = [
        "    status = 200",
        "status=202, data",
        "last_status = 0",
        "WHERE status = %s",
        "status IN ({SETTLED}, {RELEASED})",
    ]
    assert [line for line in lines if TYPED_STATUS.search(line)] == []


def test_the_environment_is_read_where_settings_are_made() -> None:
    """And where the processes are started, before there are settings. Two others look at what is not theirs to set: the trail
    at what changed since the last start, the metrics at where prometheus_client keeps its counters. And one writes
    `os.environ/NAME`, which is LiteLLM's way to name a variable.
    """
    readers = {"workspaces/audit/settings_changed.py", "metering/metrics.py", "metering/catalogue/litellm.py"}
    found = [
        str(file.relative_to(ROOT))
        for package in ("metering", "workspaces")
        for file in sorted((ROOT / package).rglob("*.py"))
        if "os.environ" in file.read_text() or "getenv" in file.read_text()
    ]
    assert [name for name in found if name not in readers] == []
