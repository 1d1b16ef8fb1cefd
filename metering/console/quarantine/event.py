"""One quarantined event: where it came from, what became of its replay, and who did what to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from metering import dollars
from metering.console import figures
from metering.console.quarantine.content import readable_content
from metering.console.quarantine.reasons import reason_of
from metering.ingest.models import Batch, QuarantinedEvent
from metering.ingest.quarantine.estimate import estimate
from workspaces.models import AuditEntry

GONE = "The batch is no longer kept."
OUTCOMES = {
    "duplicate": "It was recorded already, with the same content: counted once.",
    "unpriced": "It is recorded, and waits for a price.",
    "conflict": "Another event is recorded under its request id and attempt: it is back in the quarantine.",
    "rejected": "It was refused again: it is back in the quarantine.",
}


@dataclass(frozen=True, slots=True)
class EventDetail:
    """What the page says of an event, worked out once: the console asks for each of a page's values several times."""

    what_to_do: SafeString
    would_bill: str
    came_in: SafeString
    became: SafeString
    history: SafeString
    content: str


def event_detail(event: QuarantinedEvent) -> EventDetail:
    """A fixed number of statements, once per row read."""
    known: EventDetail | None = getattr(event, "known", None)
    if known is None:
        known = EventDetail(
            what_to_do(event), would_bill(event), came_in(event), became(event), history(event), content_html(event)
        )
        event.known = known  # type: ignore[attr-defined]
    return known


def content_html(event: QuarantinedEvent) -> str:
    return readable_content(bytes(event.content))


def would_bill(event: QuarantinedEvent) -> str:
    """As it was estimated, or estimated now."""
    amount = event.estimated_cost
    if amount is None:
        amount = estimate(bytes(event.content), event.kind, event.created_at)
    return "unknown" if amount is None else dollars.usd_exact(amount, 6)


def what_to_do(event: QuarantinedEvent) -> SafeString:
    reason = reason_of(event.code)
    advice: str | SafeString = reason.advice
    if event.outcome == QuarantinedEvent.Outcome.CONFLICT and event.workspace_id and event.request_id:
        asked = urlencode({"workspace": str(event.workspace_id), "request_id": event.request_id})
        page = f"{reverse('admin:metering_usageevent_changelist')}?{asked}"
        advice = format_html('{} <a class="console-link" href="{}">What is recorded under this request id</a>', advice, page)
    return format_html("<span><strong>{}.</strong> {}</span>", reason.words, advice)


def came_in(event: QuarantinedEvent) -> SafeString:
    """The batch it came in, and, where that was a replay, the event it was before."""
    batch = _batches().filter(pk=event.batch_id).first()
    if batch is None:
        return format_html("{}", GONE)
    link = _batch_link(batch)
    if batch.source != Batch.Source.REPLAY:
        return link
    before = _of_batch(batch).order_by("id")[event.index : event.index + 1].first()
    if before is None:
        return link
    return format_html(
        '<span>{}, a replay of <a class="console-link" href="{}">{}</a></span>', link, _page(before), before.public_id
    )


def became(event: QuarantinedEvent) -> SafeString:
    """What became of the replay, from its batch."""
    if not event.replayed_in:
        return format_html("{}", "It was not replayed.")
    batch = _batches().filter(public_id=event.replayed_in).first()
    if batch is None:
        return format_html("<span>Replayed in {}. {}</span>", event.replayed_in, GONE)
    index = _of_batch(batch).filter(pk__lt=event.pk).count()
    return format_html("<span>{} {}{}</span>", _outcome(batch, index), _batch_link(batch), _successor(batch, index))


def history(event: QuarantinedEvent) -> SafeString:
    entries = AuditEntry.objects.filter(target=event.public_id).order_by("id")
    lines = format_html_join(
        "",
        '<li><span>{} <span class="console-note">by {}</span>{}</span><time class="console-note">{}</time></li>',
        ((entry.action, entry.actor, _details(entry.detail), figures.moment(entry.at)) for entry in entries),
    )
    first = format_html(
        '<li><span>quarantined</span><time class="console-note">{}</time></li>', figures.moment(event.created_at)
    )
    return format_html('<ul class="console-trail">{}{}</ul>', first, lines)


def _details(detail: dict[str, Any]) -> SafeString:
    reason = detail.get("reason")
    edited = detail.get("edited") or {}
    changes = format_html_join(
        "",
        '<br><span class="console-note"><code>{}</code>: {} → {}</span>',
        ((name, _value(before), _value(after)) for name, (before, after) in edited.items()),
    )
    return format_html("{}{}", f": {reason}" if reason else "", changes)


def _value(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _outcome(batch: Batch, index: int) -> str:
    item = next((each for each in batch.items if each["index"] == index), None)
    if item is not None:
        return OUTCOMES.get(item["outcome"], item["message"])
    return "It is recorded." if batch.processed_at else "It waits for a worker."


def _successor(batch: Batch, index: int) -> SafeString:
    refused = QuarantinedEvent.objects.filter(batch_id=batch.pk, index=index).only("pk", "public_id").first()
    if refused is None:
        return format_html("{}", "")
    return format_html(', <a class="console-link" href="{}">{}</a>', _page(refused), refused.public_id)


def _of_batch(batch: Batch) -> Any:
    """The events that were replayed in it; in the order of their ids they are its positions."""
    return QuarantinedEvent.objects.filter(replayed_in=batch.public_id).only("pk", "public_id")


def _batches() -> Any:
    return Batch.objects.only("pk", "public_id", "source", "items", "processed_at", "received_at")


def _batch_link(batch: Batch) -> SafeString:
    link = reverse("admin:metering_batch_change", args=[batch.pk])
    return format_html('<a class="console-link" href="{}">{}</a>', link, batch.public_id)


def _page(event: QuarantinedEvent) -> str:
    return reverse("admin:metering_quarantinedevent_change", args=[event.pk])
