"""Whatever stands in a form: what is wrong is said beside its field and changes nothing, and nothing is an error of ours.

Each form is sent for some of its fields with something hostile in one and what a person would write in the others: for those
whose name no form had before, and for one more. With DEEP each field of each form gets several values, all of them from
DEEP=20 on.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from itertools import count

from django.forms import BaseForm

from tests.fuzz.conduct import Answered
from tests.fuzz.conftest import Product
from tests.fuzz.html_forms import Form
from tests.fuzz.observed import observing
from tests.fuzz.values import ENORMOUS, IN_FORM
from tests.kit.depth import DEEP, share, some

LONGEST_STORED = 100_000
MORE = 1  # field of a form, beside those of a new name
COUNTS = ["99999999999", "-5", "abc", "1001", "9" * 5_000]  # of rows that a form says it has


def bodies(form: Form) -> Iterator[dict[str, list[str]]]:
    """As a browser sends it, once for each of its named buttons."""
    for button in form.buttons or [None]:
        yield form.fields | ({button[0]: [button[1]]} if button else {})


def faults_in(answer: Answered, name: str, value: str) -> list[str]:
    found = list(answer.faults)
    if len(value) >= ENORMOUS and any(value[:LONGEST_STORED] in sql for sql in answer.written):
        found.append("a million letters were stored")
    for form in forms_with_errors(answer):
        if answer.written:
            found.append(f"refused, and yet it changed something: {answer.written[0][:120]}")
        seen = name in form.errors and name in form.fields and not form.fields[name].widget.is_hidden
        if seen and not shows(answer, str(form.errors[name][0])):
            found.append(f"the error of {name} is not on the page: {form.errors[name][0]}")
    return found


def forms_with_errors(answer: Answered) -> list[BaseForm]:
    """Those of a page that was shown again. The console keeps a model's form in a wrapper."""
    contexts = getattr(answer.response, "context", None) or []
    values = [value for each in contexts for value in each.flatten().values()] if answer.is_page else []
    found = {id(form): form for form in (getattr(value, "form", value) for value in values) if isinstance(form, BaseForm)}
    return [form for form in found.values() if form.errors]


def shows(answer: Answered, error: str) -> bool:
    return error[:60] in html.unescape(answer.content.decode())


def attempts(product: Product) -> Iterator[tuple[str, Form, dict[str, list[str]], str, str]]:
    turn, sent, tried = count(), count(), set[str]()
    for who, form in product.forms():
        for body in bodies(form):
            with observing() as looked_up:
                product.ask(who, "POST", form.action, body)
            names = sorted((body.keys() | looked_up) - {"csrfmiddlewaretoken", ""})
            chosen = {name for name in names if name not in tried} | set(some(names, next(turn), MORE))
            tried |= chosen
            for name in sorted(chosen):
                values = IN_FORM + COUNTS if name.endswith("_FORMS") else IN_FORM
                for value in values if DEEP else [values[next(turn) % len(values)]]:
                    if not DEEP or next(sent) % share() == 0:
                        yield who, form, body, name, value


def test_no_field_of_any_form_breaks_it(product: Product) -> None:
    faults = []
    for who, form, body, name, value in attempts(product):
        answer = product.ask(who, "POST", form.action, body | {name: [value.encode("utf-8", "surrogatepass")]})
        if found := faults_in(answer, name, value):
            print(who, form.action[:100], name, repr(value[:50]), found, flush=True)
            faults.append((who, form.action, name, value[:100], found))
    assert faults == []
