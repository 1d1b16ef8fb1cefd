"""What an operator does with quarantined events: replay, edit and replay, dismiss; one of them or all that match a filter."""

from __future__ import annotations

from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextareaWidget

from metering.console.quarantine.content import editable, has_secrets
from metering.console.quarantine.totals import MOST, matching_open
from metering.errors import AlreadyResolved, InboxFull
from metering.ingest.formats.secrets import without_secrets
from metering.ingest.models import Batch, QuarantinedEvent, QuarantinedEventQuerySet
from metering.ingest.quarantine.dismiss import dismiss, dismiss_matching
from metering.ingest.quarantine.replay import forecast, replay_edited, replay_events, replay_matching
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage

LISTING = "admin:metering_quarantinedevent_changelist"
# What one submission acts on, so that its answer comes within seconds; the form says how many are left.
AT_ONCE = 20_000
KEPT = "Dismissed events are not recorded and not billed. They are kept with your reason."
NO_SECRETS = "What looked like a secret was replaced by [removed], and is sent so."


class _Sent(NamedTuple):
    """What is to be said about a batch; the batch itself, with its body, is released."""

    events: int
    refused: int


class DismissForm(forms.Form):
    reason = fields.text("reason", "Shown beside the event and in the audit trail.", max_length=500)


class ReplayForm(forms.Form):
    reason = fields.text("reason", "For the audit trail, if you like.", required=False, max_length=500)


class EditForm(forms.Form):
    content = forms.CharField(
        label="Content",
        strip=False,
        widget=UnfoldAdminTextareaWidget({"rows": 24, "spellcheck": "false", "class": "console-json"}),
    )
    reason = fields.text("reason", "Why it is changed. What you change is kept in the audit trail.", max_length=500)


def replay_page(request: HttpRequest, admin: OperatorAdmin, pk: str) -> HttpResponse:
    """One event as it is, with what the endpoint would say to it now."""
    event = get_object_or_404(QuarantinedEvent, pk=pk)

    def act(asked: dict[str, Any]) -> HttpResponse:
        (batch,) = replay_events([event.pk], actor_of(request), timezone.now(), asked["reason"])
        return _replayed(request, event, batch)

    refused = forecast(bytes(event.content), event.kind, timezone.now())
    if refused is None:
        intro = "It is sent again unchanged. It would be accepted now, and a worker then records it."
    else:
        intro = f"As it is, it would be refused again: {refused.rejection.message} Edit it instead."
    return FormPage("Replay the event", act, _page_of(event), ReplayForm, intro, "Replay the event").respond(
        request, admin, event
    )


def edit_page(request: HttpRequest, admin: OperatorAdmin, pk: str) -> HttpResponse:
    """One event with other content; what would be refused is said beside the content, and nothing changes."""
    event = get_object_or_404(QuarantinedEvent, pk=pk)
    content = bytes(event.content)

    def act(asked: dict[str, Any]) -> HttpResponse:
        sent = asked["content"].encode()
        return _replayed(request, event, replay_edited(event.pk, sent, actor_of(request), timezone.now(), asked["reason"]))

    message = without_secrets(event.message).rstrip(".")
    intro = f"{message}. {NO_SECRETS}" if has_secrets(content) else f"{message}."
    page = FormPage(
        "Edit and replay the event",
        act,
        _page_of(event),
        EditForm,
        intro,
        "Replay as edited",
        initial={"content": editable(content)},
    )
    return page.respond(request, admin, event)


def dismiss_page(request: HttpRequest, admin: OperatorAdmin, pk: str) -> HttpResponse:
    event = get_object_or_404(QuarantinedEvent.objects.defer("content"), pk=pk)

    def act(asked: dict[str, Any]) -> HttpResponse:
        dismiss([event.pk], asked["reason"], actor_of(request), timezone.now())
        messages.success(request, "The event is dismissed. It stays here, settled.")
        return redirect(_page_of(event))

    intro = "A dismissed event is not recorded and not billed. It is kept with your reason."
    return FormPage("Dismiss the event", act, _page_of(event), DismissForm, intro, "Dismiss the event").respond(
        request, admin, event
    )


def replay_all_page(request: HttpRequest, admin: OperatorAdmin) -> HttpResponse:
    """Everything open that the address's filter matches, a thousand to a batch."""
    rows = filtered_events(request, admin)
    if rows is None:
        return redirect(LISTING)

    def act(asked: dict[str, Any]) -> HttpResponse:
        batches: list[_Sent] = []
        full = False
        try:
            for batch in replay_matching(rows, actor_of(request), timezone.now(), asked["reason"], AT_ONCE):
                batches.append(_Sent(batch.event_count, batch.rejected))
        except InboxFull:
            full = True
            if not batches:
                raise
        if not batches:
            raise AlreadyResolved("Nothing to replay: all of it is settled already.")
        sent, refused = sum(batch.events for batch in batches), sum(batch.refused for batch in batches)
        refusals = f" {refused:,} of them were refused again: these are back as new ones." if refused else ""
        messages.success(request, f"{_events(sent)} replayed in {_counted(len(batches), 'batch', 'batches')}.{refusals}")
        if full:
            messages.warning(request, "The inbox is full: the rest is still open. Replay it once the workers have caught up.")
        return redirect(LISTING) if full else _after_all(request, rows)

    intro = (
        "They are sent again as they are, a thousand to a batch. What was recorded meanwhile comes out as a "
        "duplicate; what is refused again comes back as a new quarantined event."
    )
    title = f"Replay {how_many(rows)}"
    return FormPage(title, act, reverse(LISTING), ReplayForm, intro, title).respond(request, admin)


def dismiss_all_page(request: HttpRequest, admin: OperatorAdmin) -> HttpResponse:
    """Everything open that the address's filter matches, with one reason."""
    rows = filtered_events(request, admin)
    if rows is None:
        return redirect(LISTING)

    def act(asked: dict[str, Any]) -> HttpResponse:
        done = dismiss_matching(rows, asked["reason"], actor_of(request), timezone.now(), AT_ONCE)
        messages.success(request, f"{_events(done)} dismissed.")
        return _after_all(request, rows)

    title = f"Dismiss {how_many(rows)}"
    return FormPage(title, act, reverse(LISTING), DismissForm, KEPT, title, danger=True).respond(request, admin)


def filtered_events(request: HttpRequest, admin: OperatorAdmin) -> QuarantinedEventQuerySet | None:
    """The rows of the list with this address's filter; None where the filter makes no sense."""
    try:
        changes = admin.get_changelist_instance(request)
        rows: QuarantinedEventQuerySet = changes.get_queryset(request)
    except (IncorrectLookupParameters, SuspiciousOperation):
        return None
    return rows.select_related(None)


def how_many(rows: QuarantinedEventQuerySet) -> str:
    found = matching_open(rows)
    return f"more than {MOST:,} events" if found.events > MOST else _events(found.events)


def _after_all(request: HttpRequest, rows: QuarantinedEventQuerySet) -> HttpResponse:
    """Back to the form while more match, as it does not act on all at once; then, or where the address does not say up to
    which event, to the list."""
    if "id__lte" not in request.GET or matching_open(rows).events == 0:
        return redirect(LISTING)
    messages.info(request, f"Still open: {how_many(rows)}. Send the form again for them.")
    return redirect(request.get_full_path())


def _replayed(request: HttpRequest, event: QuarantinedEvent, batch: Batch) -> HttpResponse:
    if batch.rejected:
        messages.warning(request, "It was refused again: it is back in the quarantine as a new event.")
    else:
        messages.success(request, "The event was sent again. This page shows the result.")
    return redirect(_page_of(event))


def _page_of(event: QuarantinedEvent) -> str:
    return reverse("admin:metering_quarantinedevent_change", args=[event.pk])


def _events(number: int) -> str:
    return _counted(number, "event", "events")


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
