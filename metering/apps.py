from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MeteringConfig(AppConfig):
    name = "metering"

    def ready(self) -> None:
        from metering.credits.changed import billing_changed
        from metering.jobs.timetable import apply_timetable
        from metering.payments.balance.suspension import after_change

        post_migrate.connect(apply_timetable, sender=self)
        billing_changed.connect(after_change, dispatch_uid="suspension")
