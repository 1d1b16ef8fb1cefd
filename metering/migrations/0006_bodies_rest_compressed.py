"""The inbox keeps its bodies deflated by the web process, so PostgreSQL must not try to compress them again."""

import zlib
from collections.abc import Callable
from typing import Any

from django.db import migrations

EXTERNAL = "ALTER TABLE metering_batch ALTER COLUMN body SET STORAGE EXTERNAL"
EXTENDED = "ALTER TABLE metering_batch ALTER COLUMN body SET STORAGE EXTENDED"


def rewrite(change: Callable[[bytes], bytes]) -> Callable[[Any, Any], None]:
    def run(_apps: Any, schema_editor: Any) -> None:
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT id FROM metering_batch ORDER BY id")
            for (batch,) in cursor.fetchall():
                cursor.execute("SELECT body FROM metering_batch WHERE id = %s", [batch])
                (body,) = cursor.fetchone()
                cursor.execute("UPDATE metering_batch SET body = %s WHERE id = %s", [change(bytes(body)), batch])

    return run


class Migration(migrations.Migration):
    dependencies = [("metering", "0005_schedule")]

    operations = [
        migrations.RunSQL(EXTERNAL, EXTENDED),
        migrations.RunPython(rewrite(lambda body: zlib.compress(body, 1)), rewrite(zlib.decompress)),
    ]
