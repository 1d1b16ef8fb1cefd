"""What was kept beside usage can be read as JSON by the database: a NUL in it, which as an escape it took, is replaced."""

from django.db import migrations

# The escape behind an even number of backslashes is one; behind an odd number it is text.
REPLACE = r"""
UPDATE metering_usageevent SET detail = regexp_replace(detail, '(?<!\\)((?:\\\\)*)\\u0000', '\1' || U&'\FFFD', 'g')
WHERE strpos(detail, '\u0000') > 0
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0036_tiers_of_corrections")]
    operations = [migrations.RunSQL(REPLACE, migrations.RunSQL.noop)]
