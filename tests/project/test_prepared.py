"""A run begins with a database that was migrated once, for as long as nothing changes of which it is made."""

from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from tests.kit import prepared


def test_it_is_made_again_when_a_file_changes_or_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "_decisive", lambda: tmp_path.iterdir())
    migration = tmp_path / "0001_initial.py"
    names = []
    for content in ("one", "another", "one"):
        migration.write_text(content)
        names.append(prepared._state_of_the_code())
    migration.rename(tmp_path / "0002_initial.py")
    names.append(prepared._state_of_the_code())
    assert names[0] == names[2]
    assert len(set(names)) == 3


@pytest.mark.django_db
def test_every_migration_of_ours_decides_and_is_applied() -> None:
    loader = MigrationLoader(connection)
    ours = {key for key in loader.disk_migrations if key[0] in ("workspaces", "metering")}
    decisive = {(path.parts[-3], path.stem) for path in prepared._decisive() if path.parent.name == "migrations"}
    assert len(ours) > 8
    assert ours <= decisive
    assert ours <= loader.applied_migrations.keys()
