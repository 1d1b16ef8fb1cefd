"""Numbers of documents, gapless within issuer and year: `OMX-2026-00001` for invoices, `OMX-CN-2026-00001` for credit notes."""

from datetime import UTC, datetime

from django.conf import settings
from django.db import connection, models

NEXT_NUMBERS = """
INSERT INTO metering_invoicesequence (prefix, year, last) VALUES (%s, %s, %s)
ON CONFLICT ON CONSTRAINT one_sequence_per_issuer_and_year DO UPDATE SET last = metering_invoicesequence.last + excluded.last
RETURNING last
"""


class InvoiceSequence(models.Model):
    """The last number that a document got, for each issuer and year."""

    prefix = models.CharField(max_length=16)
    year = models.IntegerField()
    last = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prefix", "year"], name="one_sequence_per_issuer_and_year"),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}-{self.year}: {self.last}"


def next_invoice_numbers(count: int, now: datetime) -> list[str]:
    return _next_numbers(settings.INVOICE_NUMBER_PREFIX, count, now)


def next_credit_note_number(now: datetime) -> str:
    (number,) = _next_numbers(f"{settings.INVOICE_NUMBER_PREFIX}-CN", 1, now)
    return number


def _next_numbers(prefix: str, count: int, now: datetime) -> list[str]:
    """The sequence's row stays locked until the transaction ends and is rolled back with it, so numbers have no gaps."""
    year = now.astimezone(UTC).year
    with connection.cursor() as cursor:
        cursor.execute(NEXT_NUMBERS, [prefix, year, count])
        (last,) = cursor.fetchone()
    return [f"{prefix}-{year}-{number:05d}" for number in range(last - count + 1, last + 1)]
