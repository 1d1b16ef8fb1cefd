"""A decision refuses frozen keys, with a reason of its own."""

from django.db import migrations

from metering.migrations import _limits

# From the name of the function to what it is replaced by here.
COLUMN = ("key.revoked_at, key.expires_at", "key.revoked_at, key.frozen_at, key.expires_at")
REASON = (
    "THEN 'key_revoked'\n",
    "THEN 'key_revoked'\n        WHEN caller.frozen_at IS NOT NULL THEN 'key_frozen'\n",
)
BEFORE = _limits.AUTHORIZE.replace("LIMITS_LOCK", _limits.LOCK).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
AFTER = BEFORE.replace(*COLUMN).replace(*REASON)


class Migration(migrations.Migration):
    dependencies = [("metering", "0012_webhooks"), ("workspaces", "0005_frozen_keys")]
    operations = [migrations.RunSQL(AFTER, BEFORE)]
