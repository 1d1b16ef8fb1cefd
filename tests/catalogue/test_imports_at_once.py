"""Imports beside each other, beside prices set by hand, and beside usage that is rated."""

import threading
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from metering.catalogue.imports import apply
from metering.catalogue.imports.apply import apply_import, new_import, preview_import
from metering.catalogue.imports.models import ImportedPrice, PriceImport
from metering.catalogue.models import PriceVersion
from metering.catalogue.set_price import set_price
from metering.errors import PriceImportChanged
from metering.pricing.current import current_rates
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW, make_price
from workspaces.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "model,input,output\n" + "".join(f"m{number},1,2\n" for number in range(20))


def previewed(text: str = TEXT) -> PriceImport:
    asked = new_import(text, actor="test", now=NOW)
    preview_import(asked, NOW)
    return asked


def test_one_import_that_four_people_apply_at_once_is_applied_once() -> None:
    pk = previewed().pk
    found = at_once(*[lambda: apply_import(PriceImport.objects.get(pk=pk), NOW + timedelta(hours=1))] * 4)
    assert sorted(type(each).__name__ for each in found) == ["Plan"] + ["PriceImportChanged"] * 3
    assert PriceVersion.objects.count() == ImportedPrice.objects.count() == 20
    assert AuditEntry.objects.filter(action="prices.imported").count() == 1


def test_of_two_previews_of_the_same_prices_one_is_applied() -> None:
    first, second = previewed(), previewed(TEXT.replace(",1,2", ",3,4"))
    found = at_once(*[partial(apply_import, each, NOW + timedelta(hours=1)) for each in (first, second)])
    assert sorted(type(each).__name__ for each in found) == ["Plan", "PriceImportChanged"]
    assert PriceVersion.objects.values("input_rate").distinct().count() == 1
    assert PriceVersion.objects.count() == 20


def test_a_price_that_is_set_while_a_file_is_read_makes_the_preview_old(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, true = previewed(), apply.read_import

    def slow(given: PriceImport) -> Any:
        set_price("m7", input=Decimal(9), output=Decimal(9), actor="test", now=NOW)
        return true(given)

    monkeypatch.setattr(apply, "read_import", slow)
    with pytest.raises(PriceImportChanged, match="Prices have changed"):
        apply_import(asked, NOW + timedelta(hours=1))
    assert PriceVersion.objects.count() == 1


def test_usage_is_rated_while_a_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    make_price()
    asked, true, reading, rated = previewed(), apply.read_import, threading.Event(), threading.Event()

    def slow(given: PriceImport) -> Any:
        reading.set()
        assert rated.wait(20), "rating waited for the file"
        return true(given)

    def rate() -> None:
        assert reading.wait(20)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            current_rates()
        rated.set()

    monkeypatch.setattr(apply, "read_import", slow)
    found = at_once(partial(apply_import, asked, NOW + timedelta(hours=1)), rate)
    assert [each for each in found if isinstance(each, BaseException)] == []


def test_an_import_that_dies_half_way_has_set_nothing_and_can_be_applied_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = previewed()

    def dies(*given: Any, **more: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(apply.audit, "record", dies)
        with pytest.raises(SystemExit):
            apply_import(asked, NOW + timedelta(hours=1))
    assert not PriceVersion.objects.exists()
    assert not AuditEntry.objects.exists()
    again = PriceImport.objects.get(pk=asked.pk)
    assert again.applied_at is None
    assert len(apply_import(again, NOW + timedelta(hours=1)).changes) == 20
