"""The tables that grow with usage can be distributed by workspace, whenever one server is outgrown."""

import re

import pytest
from django.db import connection

from metering.ingest.directory import directory
from tests.kit.factories import NOW
from tests.kit.shape import DISTRIBUTED, shape_faults
from tests.project.layers import ROOT

pytestmark = pytest.mark.django_db


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def test_the_large_tables_have_the_shape_with_their_partitions() -> None:
    directory.ensure_months({(NOW.year, NOW.month)})
    assert shape_faults() == []


def test_the_architecture_page_names_the_large_tables() -> None:
    tables = (ROOT / "docs" / "architecture.md").read_text().partition("## Tables\n")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"`(metering_\w+)`", tables)) == sorted(DISTRIBUTED)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            "CREATE UNIQUE INDEX once ON metering_usageevent_2031_05 (id)",
            "once is unique without a workspace_id that is not null",
        ),
        (
            "ALTER TABLE metering_eventcorrection ADD FOREIGN KEY (rerating_id) REFERENCES metering_rerating",
            "metering_eventcorrection has a foreign key to metering_rerating",
        ),
        (
            "ALTER TABLE metering_priceversion ADD COLUMN tier smallint REFERENCES metering_servicetier",
            "metering_priceversion has a foreign key to metering_servicetier",
        ),
        (
            "CREATE TRIGGER looks BEFORE INSERT ON metering_dailyrollup FOR EACH ROW"
            " EXECUTE FUNCTION metering_refuse_line_change()",
            "looks on metering_dailyrollup reads a table",
        ),
    ],
)
def test_what_would_break_it_is_named(change: str, fault: str) -> None:
    directory.ensure_months({(2031, 5)})
    run(change)
    assert shape_faults() == [fault]


def test_a_foreign_key_to_what_lies_everywhere_is_allowed() -> None:
    for table in DISTRIBUTED[:1]:
        run(f"ALTER TABLE {table} ADD FOREIGN KEY (provider_id) REFERENCES metering_provider")
    assert shape_faults() == []
