"""The schedule of the background work, dressed like the rest of the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django_celery_beat.admin import CrontabScheduleAdmin as PlainCrontabAdmin
from django_celery_beat.admin import PeriodicTaskAdmin as PlainTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm, TaskSelectWidget
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from workspaces.console.base import OperatorAdmin


class DressedTaskWidget(UnfoldAdminSelectWidget, TaskSelectWidget):
    """The choice of known tasks."""


class TaskForm(PeriodicTaskForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = DressedTaskWidget()


class TaskAdmin(PlainTaskAdmin, OperatorAdmin):
    called = "Schedule"
    may_add = True
    may_change = True
    may_delete = True
    form = TaskForm
    list_display = ("name", "enabled", "scheduler", "last_run_at", "total_run_count")
    list_filter = ("enabled",)
    list_select_related = ("interval", "crontab", "solar", "clocked")

    def has_delete_permission(self, request: HttpRequest, obj: PeriodicTask | None = None) -> bool:
        """What came with the product is switched off or set to another time: deleted, nothing would bring it back."""
        return super().has_delete_permission(request, obj) and not (obj is not None and is_own(obj))

    def get_actions(self, request: HttpRequest) -> Any:
        return {name: act for name, act in super().get_actions(request).items() if name != "delete_selected"}


def is_own(task: PeriodicTask) -> bool:
    """Whether the task came with the product, or Celery put it there, and no person."""
    ours = task.task.startswith(("metering.", "celery."))
    return ours and not PeriodicTask.objects.filter(task=task.task, pk__lt=task.pk).exists()


class IntervalAdmin(OperatorAdmin):
    may_add = True
    may_change = True


class CrontabAdmin(PlainCrontabAdmin, OperatorAdmin):
    may_add = True
    may_change = True


# Nothing here runs by the sun or once at a given time.
for unused in (SolarSchedule, ClockedSchedule, PeriodicTask, IntervalSchedule, CrontabSchedule):
    admin.site.unregister(unused)
admin.site.register(PeriodicTask, TaskAdmin)
admin.site.register(IntervalSchedule, IntervalAdmin)
admin.site.register(CrontabSchedule, CrontabAdmin)
