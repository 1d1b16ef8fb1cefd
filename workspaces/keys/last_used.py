"""When keys were last used by what they called, as usage events tell it; a key's own calls here are noted by authentication."""

from collections.abc import Mapping
from datetime import datetime

from django.db import connection

# At most one write a minute and key; in key order, so that two workers wait for each other in one direction only.
NOTE = """
UPDATE workspaces_apikey SET last_used_at = used.at
FROM (
    SELECT key.id, used.at FROM unnest(%s::int[], %s::timestamptz[]) AS used (id, at)
    JOIN workspaces_apikey key ON key.id = used.id
    WHERE key.last_used_at IS NULL OR key.last_used_at < used.at - interval '1 minute'
    ORDER BY key.id FOR NO KEY UPDATE OF key
) used
WHERE workspaces_apikey.id = used.id
"""


def note_uses(uses: Mapping[int, datetime]) -> None:
    """Moves `last_used_at` of keys, by their row ids, forward to these instants; never back."""
    if uses:
        with connection.cursor() as cursor:
            cursor.execute(NOTE, [list(uses), list(uses.values())])
