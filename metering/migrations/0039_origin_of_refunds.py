"""Whether a refund was asked for here or made at the provider. Until now the beginning of its idempotency key said so."""

from typing import ClassVar

from django.db import migrations, models

ORIGINS = [("requested", "Requested here"), ("provider", "Made at the provider")]
GUARD = """
DROP TRIGGER nothing_goes_back_twice ON metering_refund;
CREATE TRIGGER nothing_goes_back_twice BEFORE INSERT ON metering_refund FOR EACH ROW WHEN ({when})
    EXECUTE FUNCTION metering_refuse_second_refund();
"""
BY_KEY = GUARD.format(when="NEW.idempotency_key NOT LIKE 'stripe-%'")
BY_ORIGIN = GUARD.format(when="NEW.origin <> 'provider'")
OF_BEFORE = "UPDATE metering_refund SET origin = 'provider' WHERE idempotency_key LIKE 'stripe-%'"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("metering", "0038_excess_of_refunds")]
    operations: ClassVar = [
        migrations.AddField("refund", "origin", models.CharField(choices=ORIGINS, default="requested", max_length=16)),
        migrations.RunSQL(BY_ORIGIN, BY_KEY),
        migrations.RunSQL(OF_BEFORE, migrations.RunSQL.noop),
    ]
