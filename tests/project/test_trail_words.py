"""Every act that the product records has a sentence, and every sentence reads as English."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.contrib import admin

from workspaces.audit.words import OF_ONESELF, OF_OPERATORS, OF_WORKSPACES, SENTENCES
from workspaces.console.kit.base import OperatorAdmin
from workspaces.models import Invitation

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("workspaces", "metering", "omixa_billing")
# Functions that record: where among their arguments the action stands.
RECORDERS = {"record": 1, "record_many": 1, "record_once": 1, "record_about_person": 1, "_noted": 0}
HOMES = ("audit", "people")
# Actions made of parts: what makes them, as it stands in the source, and what it makes.
PATTERNS = {
    "f'invitation.{state.value}'": [f"invitation.{state}" for state in Invitation.State if state != "pending"],
    "f'invitation.{state}'": ["invitation.withdrawn"],
}
# In the functions that hand on what their callers say.
HANDED_ON = {"action"}
CODE = re.compile(r"[a-z_]+\.[a-z_]+")


def modules() -> Iterator[ast.Module]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield ast.parse(path.read_text())


@cache
def recorded_codes() -> set[str]:
    return {code for module in modules() for node in recorded(module) for code in codes(node, module)}


def recorded(module: ast.Module) -> Iterator[ast.expr]:
    """The action of each call that records, as it is written."""
    known = {name for name in RECORDERS if any(defines_or_imports(node, name) for node in ast.walk(module))}
    known |= {f"{home}.{name}" for home in HOMES for name in RECORDERS}
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in known:
            yield node.args[RECORDERS[ast.unparse(node.func).rpartition(".")[2]]]


def defines_or_imports(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("workspaces.audit"):
        return any(each.name == name for each in node.names)
    return isinstance(node, ast.FunctionDef) and node.name == name and "action" in [each.arg for each in node.args.args]


def codes(node: ast.expr, module: ast.Module) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from codes(node.body, module)
        yield from codes(node.orelse, module)
    elif isinstance(node, ast.JoinedStr) and ast.unparse(node) in PATTERNS:
        yield from PATTERNS[ast.unparse(node)]
    elif isinstance(node, ast.Name) and (values := list(assigned(node.id, module))):
        for value in values:
            yield from codes(value, module)
    elif not (isinstance(node, ast.Name) and node.id in HANDED_ON):
        raise AssertionError(f"What does {ast.unparse(node)} record? Say it in this test.")


def assigned(name: str, module: ast.Module) -> Iterator[ast.expr]:
    """What this name is set to in the module, also by a loop over tuples."""
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
            yield from [] if is_of_the_console(node.value) else [node.value]
        if isinstance(node, ast.For) and isinstance(node.target, ast.Tuple) and isinstance(node.iter, ast.Tuple):
            names = [ast.unparse(each) for each in node.target.elts]
            if name in names:
                yield from (row.elts[names.index(name)] for row in node.iter.elts if isinstance(row, ast.Tuple))


def is_of_the_console(node: ast.expr) -> bool:
    return ast.unparse(node) == "f'{obj._meta.model_name}.{verb}'"


def of_the_console() -> set[str]:
    """Of rows that are added, changed and deleted on Django's own pages."""
    found = set()
    for model, table in admin.site._registry.items():
        if isinstance(table, OperatorAdmin):
            verbs = {"created": table.may_add, "changed": table.may_change, "deleted": table.may_delete}
            found |= {f"{model._meta.model_name}.{verb}" for verb, may in verbs.items() if may}
    return found


def test_every_recorded_act_has_a_sentence() -> None:
    codes = recorded_codes()
    assert len(codes) > 70
    assert sorted(code for code in codes | of_the_console() if code not in SENTENCES) == []


def test_no_sentence_is_left_of_an_act_that_is_no_longer_recorded() -> None:
    assert sorted(set(SENTENCES) - recorded_codes() - of_the_console()) == []


def test_sentences_begin_after_the_actor_and_end_before_the_full_stop() -> None:
    assert set(OF_ONESELF) <= set(SENTENCES)
    for code, words in (*SENTENCES.items(), *OF_ONESELF.items()):
        assert CODE.fullmatch(code), code
        assert re.fullmatch(r"[a-z][^.]*[a-z})]", words), (code, words)
        assert words.count("{target}") <= 1
        assert re.findall(r"\{(\w+)\}", words) in ([], ["target"]), (code, words)


def are_of_nobody(acts: ast.expr) -> bool:
    """Whether each (target, workspace, detail) of them names no workspace."""
    written = isinstance(acts, ast.GeneratorExp) and isinstance(acts.elt, ast.Tuple)
    return written and ast.unparse(acts.elt.elts[1]) == "None"


def with_a_workspace() -> Iterator[ast.expr]:
    """The action of each call that records something of a workspace, or of a person wherever they belong."""
    for module in modules():
        for node in ast.walk(module):
            if not isinstance(node, ast.Call):
                continue
            name, at = ast.unparse(node.func).rpartition(".")[2], RECORDERS
            workspaces = [*node.args[3:4], *(each.value for each in node.keywords if each.arg == "workspace")]
            of_one = name in ("record", "record_once") and any(ast.unparse(each) != "None" for each in workspaces)
            of_many = name == "record_many" and not are_of_nobody(node.args[2])
            if of_one or of_many or name in ("record_about_person", "_noted"):
                yield node.args[at[name]]


def test_customers_choose_among_what_may_stand_in_their_trail() -> None:
    """What is recorded with a workspace anywhere can be chosen; what can be chosen is recorded so somewhere."""
    named = {node.value for node in with_a_workspace() if isinstance(node, ast.Constant)}
    assert len(named) > 40
    assert sorted(named & OF_OPERATORS) == []
    assert sorted(OF_OPERATORS | set(OF_WORKSPACES)) == sorted(SENTENCES)
    made_of_parts = {
        *("factor.added", "factor.removed", "factor.reset", "address.confirmed"),
        *(f"invitation.{state}" for state in Invitation.State if state != "pending"),
        "quarantine.replayed",
        *(code for code in of_the_console() if code not in OF_OPERATORS),
    }
    assert sorted(set(OF_WORKSPACES) - named - made_of_parts) == []
    assert {"apikey.created", "priceversion.created"} <= set(OF_WORKSPACES)
