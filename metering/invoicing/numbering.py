"""Numbers of documents, gapless within issuer and year: `OMX-2026-00001` for invoices, `OMX-CN-2026-00001` for credit notes."""

from datetime import UTC, datetime

from django.conf import settings
from django.db import connection, models

NEXT_NUMBER = """
INSERT INTO metering_invoicesequence (prefix, year, last) VALUES (%s, %s, 1)
ON CONFLICT ON CONSTRAINT one_sequence_per_issuer_and_year DO UPDATE SET last = metering_invoicesequence.last + 1
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


def next_invoice_number(now: datetime) -> str:
    return _next_number(settings.INVOICE_NUMBER_PREFIX, now)


def next_credit_note_number(now: datetime) -> str:
    return _next_number(f"{settings.INVOICE_NUMBER_PREFIX}-CN", now)


def _next_number(prefix: str, now: datetime) -> str:
    """The sequence's row stays locked until the transaction ends and is rolled back with it, so numbers have no gaps."""
    year = now.astimezone(UTC).year
    with connection.cursor() as cursor:
        cursor.execute(NEXT_NUMBER, [prefix, year])
        (last,) = cursor.fetchone()
    return f"{prefix}-{year}-{last:05d}"
