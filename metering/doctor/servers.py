"""The servers that the product needs, and those that it can do without: database, broker, mail, Stripe."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import get_connection
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from metering.doctor.findings import ERROR, INFO, WARNING, Finding
from metering.payments.provider.current import is_configured, provider
from metering.payments.provider.errors import ProviderRefused, ProviderUnavailable
from omixa_billing.celery import app
from omixa_billing.embedded import home

POSTGRES_AT_LEAST = 15
REDIS_AT_LEAST = (6, 2)
RABBITMQ_AT_LEAST = (3, 13)
CLOCKS_AGREE = timedelta(seconds=1)
CLOCKS_DISAGREE = timedelta(minutes=10)  # more, and a gateway's events are refused as of the future
FACTS = """
SELECT current_setting('server_version_num')::int / 10000, rolsuper, clock_timestamp()
FROM pg_roles WHERE rolname = current_user
"""


def database_found() -> Iterator[Finding]:
    """Version, role, clock. Raises DatabaseError or InterfaceError when it is away."""
    connection.ensure_connection()
    asked_at = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(FACTS)
        version, is_superuser, theirs = cursor.fetchone()
    answered_at = timezone.now()
    if version < POSTGRES_AT_LEAST:
        message = f"The database is PostgreSQL {version}, and this needs {POSTGRES_AT_LEAST} or newer."
        yield Finding("database", ERROR, message, "Upgrade it, or point DATABASE_URL at a newer server.")
    if is_superuser:
        message = "The product is the database's superuser, so a fault in it could read files and run programs there."
        yield Finding("database", WARNING, message, "Give DATABASE_URL a role that owns the database and is not a superuser.")
    yield from clock_found(asked_at, theirs, answered_at)


def clock_found(asked_at: datetime, theirs: datetime, answered_at: datetime) -> Iterator[Finding]:
    """How far our clock is from the database's, which was read somewhere between the other two instants."""
    apart = max(asked_at - theirs, theirs - answered_at, timedelta(0))
    if apart > CLOCKS_AGREE:
        severity = ERROR if apart > CLOCKS_DISAGREE else WARNING
        message = f"This machine's clock and the database's are {apart.total_seconds():.1f} seconds apart."
        yield Finding("clock", severity, message, "Keep both by NTP.")


def migrations_found(expected: bool) -> Iterator[Finding]:
    """`expected`: whether the product is meant to work on this database now; its next start applies them."""
    executor = MigrationExecutor(connection)
    pending = [f"{each.app_label}.{each.name}" for each, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    if pending:
        message = f"{len(pending)} migration{'s' * (len(pending) != 1)} not applied, the first is {pending[0]}."
        severity = ERROR if expected else WARNING
        yield Finding("migrations", severity, message, "Start the product with make run, or run manage.py migrate.")


def broker_found() -> Iterator[Finding]:
    """Version. Raises BrokerError or OSError when it is away."""
    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=2)
        if broker.transport.driver_type == "redis":
            name, least = "Redis", REDIS_AT_LEAST
            version = broker.default_channel.client.info("server")["redis_version"]
        else:
            facts = getattr(broker.connection, "server_properties", {})
            name, least, version = "RabbitMQ", RABBITMQ_AT_LEAST, str(facts.get("version", ""))
    if _numbers(version) and _numbers(version) < least:
        message = f"The broker is {name} {version}, and this needs {'.'.join(map(str, least))} or newer."
        yield Finding("broker", WARNING, message, "Upgrade it, or point CELERY_BROKER_URL at a newer server.")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def broker_away(error: Exception) -> Finding:
    reason = str(error).splitlines()[0]
    if home.uses_embedded_redis():
        return Finding(
            "broker", ERROR, f"The broker does not answer: {reason}", "See log/redis.log, then start the product again."
        )
    return Finding("broker", ERROR, f"The broker does not answer: {reason}", "Start it, or correct CELERY_BROKER_URL.")


def mail_found() -> Iterator[Finding]:
    if not settings.EMAIL_URL:
        severity = WARNING if settings.PRODUCTION else INFO
        message = "No mail server is set: invitations, password resets and invoices reach nobody."
        yield Finding("mail", severity, message, "Set EMAIL_URL.")
        return
    mail = get_connection()
    try:
        mail.open()
        mail.close()
    except OSError as error:  # smtplib's errors are of this kind
        yield Finding("mail", WARNING, f"The mail server does not answer: {error}", "Correct EMAIL_URL, or start that server.")


def stripe_found() -> Iterator[Finding]:
    if not is_configured():
        yield Finding("stripe", INFO, "Stripe is not set up: invoices are marked as paid by hand.", "Set STRIPE_SECRET_KEY.")
        return
    if not settings.STRIPE_WEBHOOK_SECRET:
        message = "STRIPE_WEBHOOK_SECRET is not set, so what Stripe reports of payments is refused."
        yield Finding("stripe", WARNING, message, "Send Stripe's events to /webhooks/stripe and set its signing secret.")
    if settings.PRODUCTION and "_test_" in settings.STRIPE_SECRET_KEY:
        message = "STRIPE_SECRET_KEY is a test key: no card is charged."
        yield Finding("stripe", WARNING, message, "Set the live key.")
    try:
        provider().knows_customer("cus_doctor")
    except (ProviderRefused, ProviderUnavailable) as error:
        message = f"Stripe does not answer as it should: {error}"
        yield Finding("stripe", WARNING, message, "Check STRIPE_SECRET_KEY, and that this machine reaches Stripe.")


BROKER_ERRORS = (BrokerError, OSError)
