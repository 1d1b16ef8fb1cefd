"""A list says which part of its address it could not read: shown whole without a word, it would pass for the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.contrib.admin.views.main import ERROR_FLAG
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from omixa_billing.http.addresses import READING

LEFT_OUT = "The address asks for a filter or a page that this list does not have. Everything is shown, from the start."
LONGEST = 200  # letters of what was typed


def without_doubled_error(request: HttpRequest) -> HttpResponse | None:
    """Back to the whole list: to Django a second fault after the first is one of the database, and a page that says so."""
    doubled = request.method in READING and ERROR_FLAG in request.GET and len(request.GET) > 1
    return redirect(f"{request.path}?{ERROR_FLAG}=1") if doubled else None


def say_what_is_wrong(request: HttpRequest, answer: HttpResponse) -> None:
    """Adds a message to the page of a list for each filter that could not be read."""
    if (context := getattr(answer, "context_data", None)) is None or "cl" not in context:
        return
    if ERROR_FLAG in request.GET:
        messages.warning(request, LEFT_OUT)
    for sentence in faults_of(context["cl"]):
        messages.warning(request, sentence)


def faults_of(changelist: Any) -> Iterator[str]:
    """A sentence for each filter whose own form refuses what the address says."""
    for each in changelist.filter_specs:
        for drawn in each.choices(changelist):
            form = drawn.get("form")
            for errors in form.errors.values() if form is not None and form.is_bound else ():
                error = errors[0] if len(errors[0]) <= LONGEST else f"{errors[0][:LONGEST]}…"
                yield f"The filter “{each.title}” cannot be read. {error}"
