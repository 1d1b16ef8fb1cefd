from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MeteringConfig(AppConfig):
    name = "metering"

    def ready(self) -> None:
        from metering.alerts.frozen import announce_frozen
        from metering.jobs.timetable import apply_timetable
        from metering.limits.changed import balance_wanted, billing_changed
        from metering.payments.balance.suspension import after_change, answer_wanted
        from workspaces.keys.freezing import key_frozen

        post_migrate.connect(apply_timetable, sender=self)
        billing_changed.connect(after_change, dispatch_uid="suspension")
        balance_wanted.connect(answer_wanted, dispatch_uid="suspension")
        key_frozen.connect(announce_frozen, dispatch_uid="alerts")
