"""A request that is asked for again after its hold ran out is decided and held again, also where no sweep has ended the hold yet."""

from importlib import import_module

from django.db import migrations

before = import_module("metering.migrations.0042_held_across_windows")
AUTHORIZE = before.changed(
    before.AUTHORIZE,
    (
        "    IF FOUND AND NOT p_dry_run AND (standing.status <> 3 ",
        "    IF FOUND AND standing.status = 0 AND standing.expires_at <= now AND NOT p_dry_run THEN\n"
        "        PERFORM metering_expire_holds(caller.workspace_id, now, 1000000);\n"
        "        SELECT * INTO standing FROM metering_hold WHERE id = standing.id;\n"
        "        SELECT * INTO account FROM metering_limitaccount WHERE workspace_id = caller.workspace_id;\n"
        "    END IF;\n"
        "    IF standing.id IS NOT NULL AND NOT p_dry_run AND (standing.status <> 3 ",
    ),
)


class Migration(migrations.Migration):
    dependencies = [("metering", "0043_answers_that_change")]
    operations = [migrations.RunSQL(AUTHORIZE, before.AUTHORIZE)]
