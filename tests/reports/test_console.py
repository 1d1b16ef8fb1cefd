"""The operators' pages of reports, and their files."""

import csv
import io
import re

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from tests.kit.billing import at
from tests.reports.story import Story
from workspaces.models import AuditEntry, User

pytestmark = pytest.mark.django_db
REPORTS, AGEING = reverse("admin:metering_journalposting_changelist"), reverse("admin:metering_journalposting_ageing")


def words(console: Client, page: str) -> str:
    answer = console.get(page)
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def file(console: Client, page: str) -> list[list[str]]:
    answer = console.get(page)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))


def test_the_index_leads_to_each_report(console: Client) -> None:
    assert f'href="{AGEING}"' in console.get(REPORTS).content.decode()


def test_ageing_is_shown_as_of_any_day(console: Client, story: Story) -> None:
    said = words(console, f"{AGEING}?day=2026-10-02")
    assert "Owed at the end of 2026-10-02" in said
    assert "Acme $178.50 $204.60 $0.00 $0.00 $0.00 $383.10" in said
    assert "Total USD $178.50 $219.60 $0.00 $0.00 $0.00 $398.10" in said
    with time_machine.travel(at("10-20T09:00"), tick=False):
        assert "Total USD $178.50 $15.00 $0.00 $0.00 $0.00 $193.50" in words(console, AGEING)
    assert "Nothing was owed on that day." in words(console, f"{AGEING}?day=2026-08-01")


def test_ageing_is_a_file_and_the_trail_says_who_has_it(console: Client, story: Story) -> None:
    header, *rows = file(console, f"{AGEING}?day=2026-10-02&format=csv")
    assert header[:3] == ["as_of", "workspace_id", "workspace"]
    assert [row[-1] for row in rows] == ["204.60", "178.50", "15.00"]
    entry = AuditEntry.objects.get(action="report.downloaded")
    assert (entry.actor, entry.target, entry.detail) == (
        "operator@omixa.example",
        "ageing",
        {"as_of": "2026-10-02", "format": "csv"},
    )


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "1300-01-01", "2200-01-01"])
def test_a_day_that_is_none_is_said_on_the_form(console: Client, day: str) -> None:
    for address in (f"{AGEING}?day={day}", f"{AGEING}?day={day}&format=csv"):
        said = words(console, address)
        assert "Enter a valid date." in said or "Choose a day between the years 1970 and 2199." in said
        assert "Owed at the end" not in said


def test_reports_are_for_operators(story: Story) -> None:
    client = Client()
    client.force_login(User.objects.create_user("owner@acme.example", "a long enough password"))
    assert client.get(AGEING).status_code in (302, 403)
    assert client.get(f"{AGEING}?format=csv").status_code in (302, 403)
