from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MeteringConfig(AppConfig):
    name = "metering"

    def ready(self) -> None:
        from metering.jobs.timetable import apply_timetable

        post_migrate.connect(apply_timetable, sender=self)
        from metering.credits.changed import billing_changed
        from metering.payments.balance.suspension import after_change

        billing_changed.connect(after_change, dispatch_uid="suspension")
