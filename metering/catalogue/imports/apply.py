"""Keeps a file for a preview, and applies one: every model and version of it in one transaction, or none."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from metering.catalogue.imports.books import ListPrices, ProviderCosts
from metering.catalogue.imports.models import PriceImport
from metering.catalogue.imports.plan import Plan, detect_format, plan_import, read_import
from metering.catalogue.models import LanguageModel
from metering.catalogue.set_price import lock_prices
from metering.errors import InvalidPrice, PriceImportChanged
from workspaces import audit

LARGEST_FILE = 20 * 1024 * 1024  # bytes; LiteLLM's map has 3 MB
KEPT_UNAPPLIED = timedelta(days=1)


def file_text(content: bytes) -> str:
    """A file's text. Raises InvalidPrice."""
    if len(content) > LARGEST_FILE:
        raise InvalidPrice(f"The file is larger than {LARGEST_FILE // 1024**2} MB.", param="file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidPrice("The file is not text in UTF-8.", param="file") from None
    if "\x00" in text:
        raise InvalidPrice("The file is not text: it contains a NUL character.", param="file")
    return text


def new_import(
    text: str,
    *,
    actor: str,
    now: datetime,
    name: str = "",
    file_format: str = "",
    markup: Decimal = Decimal(0),
    only: str = "",
    provider_cost: bool = False,
    effective_from: datetime | None = None,
) -> PriceImport:
    """What is asked, not saved yet. Without a format the text says which it is. Raises InvalidPrice."""
    if provider_cost and markup:
        raise InvalidPrice("A markup applies to what customers pay: provider costs are imported unchanged.", param="markup")
    return PriceImport(
        actor=actor,
        name=name[:200],
        file_format=file_format or detect_format(text),
        content=PriceImport.packed(text),
        provider_cost=provider_cost,
        markup=markup,
        only=only.strip(),
        effective_from=effective_from,
        created_at=now,
    )


@transaction.atomic
def preview_import(asked: PriceImport, now: datetime) -> Plan:
    """What applying it would do; keeps it, to be applied as it was seen. Raises UnreadableFile."""
    plan = plan_import(asked, now)
    PriceImport.objects.filter(applied_at__isnull=True, created_at__lt=now - KEPT_UNAPPLIED).delete()
    asked.digest = plan.digest()
    asked.save()
    return plan


def apply_import(asked: PriceImport, now: datetime, seen: str = "") -> Plan:
    """Sets what the import plans, now. Applied twice, it is applied once. `seen` is the digest of the plan that was looked at.

    Its file is read first: from the lock of prices on no request is rated, until the plan is made and set.
    Raises UnreadableFile, and PriceImportChanged where that is no longer what would be done.
    """
    read = read_import(asked)
    with transaction.atomic():
        lock_prices()
        if asked.pk is not None:
            seen = seen or asked.digest
            if not PriceImport.objects.filter(pk=asked.pk, applied_at__isnull=True).exists():
                raise PriceImportChanged("This import is applied already, or was deleted.")
        plan = plan_import(asked, now, read)
        if seen not in ("", plan.digest()):
            raise PriceImportChanged("Prices have changed since this preview was made: preview the file again.")
        asked.digest, asked.applied_at, asked.counts = plan.digest(), now, plan.counts
        asked.save()
        _add(plan, asked, now)
        audit.record(asked.actor, "prices.imported", asked.public_id, now=now, **asked.audit_detail() | plan.counts)
    return plan


def _add(plan: Plan, asked: PriceImport, now: datetime) -> None:
    if not asked.provider_cost:
        _make_models(plan)
    book = ProviderCosts() if asked.provider_cost else ListPrices()
    book.add_all({change.scope: change.rates for change in plan.changes}, asked.effective_from or now, asked, now)


def _make_models(plan: Plan) -> None:
    """Those that are not in the catalogue, unlisted, with what the file says of them."""
    missing = {change.scope.model for change in plan.changes}
    missing -= set(LanguageModel.objects.filter(slug__in=missing).values_list("slug", flat=True))
    LanguageModel.objects.bulk_create(
        [
            LanguageModel(
                slug=slug,
                name=page.name or slug[:200],
                status=LanguageModel.Status.UNLISTED,
                provider=page.provider,
                endpoint_type=page.endpoint_type,
                context_window=page.context_window,
                max_output_tokens=page.max_output_tokens,
            )
            for slug in sorted(missing)
            for page in [plan.entries[slug].page]
        ],
        ignore_conflicts=True,
    )
