"""Whether the work is done: what waits, who works, and whether the schedule runs."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Q

from metering.doctor.findings import ERROR, WARNING, Finding
from metering.dollars import usd_text
from metering.health import waiting
from metering.ingest.quarantine.not_understood import held_paths
from metering.jobs.models import JobRun
from metering.jobs.run import SCHEDULE
from metering.limits.gateway.unaccounted import unaccounted_since
from metering.notifications.delivery.queue import deliveries_due
from metering.notifications.models import WebhookEndpoint
from metering.periods import DAY
from metering.reports.stated_costs import stated_costs
from omixa_billing.celery import app

WAITS_LONG = 60.0  # seconds; a batch is processed within one
WAITS_TOO_LONG = 600.0
SCHEDULE_AT_LEAST_EVERY = timedelta(minutes=10)  # its most frequent jobs run every minute
SECONDS_FOR_WORKERS = 5.0
MANY_UNACCOUNTED = 100
MOST_NAMED = 5  # paths in a finding
DELIVERIES_WAIT_LONG = 300.0  # seconds; the sweep comes every ten


def waiting_found(now: datetime, runs: bool) -> Iterator[Finding]:
    """`runs`: whether workers are meant to be there."""
    backlog = waiting(now)
    if backlog["oldest_age_seconds"] < WAITS_LONG:
        return
    severity = ERROR if runs and backlog["oldest_age_seconds"] >= WAITS_TOO_LONG else WARNING
    message = f"{backlog['batches']:,} batches wait for a worker, the oldest for {backlog['oldest_age_seconds']:,.0f} seconds."
    fix = "See log/worker.log, and add workers with WORKER_CONCURRENCY." if runs else "Start the product: make run."
    yield Finding("waiting", severity, message, fix)


def unaccounted_found(now: datetime) -> Iterator[Finding]:
    """Of the last day. A gateway that is killed loses a few; more means that its events do not arrive."""
    requests, usd = unaccounted_since(now - DAY)
    if requests < MANY_UNACCOUNTED:
        return
    message = f"{requests:,} requests of the last day were allowed and sent no event: up to {usd_text(usd)} is not billed."
    yield Finding("unaccounted", WARNING, message, "See Unaccounted requests in the console, by gateway, and look at its log.")


def not_understood_found() -> Iterator[Finding]:
    """Events that are not billed until a person says what a number is."""
    paths = held_paths()
    if not paths:
        return
    named = ", ".join(f"{each.path} ({each.dialect})" for each in paths[:MOST_NAMED])
    message = f"Events wait because nobody knows what a number in their usage is: {named}."
    yield Finding("not_understood", WARNING, message, "Say what they are in the console: Quarantine, Numbers not understood.")


def provider_costs_found(now: datetime) -> Iterator[Finding]:
    """Cards that differ from what their providers say they charged in the last day."""
    for each in stated_costs(now - DAY, now):
        if each.differs:
            message = (
                f"{each.provider} says it charged {usd_text(each.stated)} for {each.requests:,} requests of {each.model}, and "
                f"its card comes to {usd_text(each.by_card)}."
            )
            yield Finding("provider_cost", WARNING, message, "Compare the card in the console with its prices: Provider costs.")


def webhooks_found(now: datetime, runs: bool) -> Iterator[Finding]:
    """That nobody sends what is due. Receivers that fail are their owners' to repair, but for the operators' own."""
    due, seconds = deliveries_due(now)
    if seconds >= DELIVERIES_WAIT_LONG:
        message = f"{due:,} deliveries of webhooks are due and not sent, the oldest for {seconds:,.0f} seconds."
        fix = "See log/worker.log for webhooks_not_delivered." if runs else "Start the product: make run."
        yield Finding("webhooks", WARNING, message, fix)
    own = WebhookEndpoint.objects.filter(workspace=None)
    for endpoint in own.filter(Q(failing_since__isnull=False) | Q(disabled_because__in=("gone", "failing"))).order_by("pk"):
        state = "is disabled" if not endpoint.is_active else "fails"
        fix = "Look at its deliveries in the console: Webhooks."
        yield Finding("webhooks", WARNING, f"The operators' webhook {endpoint.url} {state}.", fix)


def workers_found() -> Iterator[Finding]:
    """Asks by way of the broker. Raises the broker's errors."""
    if not app.control.ping(timeout=SECONDS_FOR_WORKERS, limit=1):
        message = f"No worker answers within {SECONDS_FOR_WORKERS:.0f} seconds: events are stored and not processed."
        yield Finding("workers", ERROR, message, "See log/worker.log, or start a worker on this broker.")


def schedule_found(now: datetime, started_at: datetime | None) -> Iterator[Finding]:
    """`started_at`: since when the product runs, where that is known. Just started, the schedule may not have run yet."""
    last = JobRun.objects.filter(started_by=SCHEDULE).order_by("-started_at").values_list("started_at", flat=True).first()
    since = max((each for each in (last, started_at) if each is not None), default=None)
    if since is not None and now - since <= SCHEDULE_AT_LEAST_EVERY:
        return
    ago = "never ran" if last is None else f"last ran at {last:%Y-%m-%d %H:%M} UTC"
    message = f"The schedule {ago}: months are not closed, nothing is collected and no mail is sent."
    yield Finding("schedule", ERROR, message, "See log/beat.log, and run exactly one beat.")
