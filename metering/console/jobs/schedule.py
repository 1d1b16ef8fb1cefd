"""The schedule of the background work, dressed like the rest of the console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery.schedules import ParseException, crontab
from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django_celery_beat.admin import CrontabScheduleAdmin as PlainCrontabAdmin
from django_celery_beat.admin import PeriodicTaskAdmin as PlainTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm, TaskSelectWidget
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from kombu.exceptions import OperationalError
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from metering.errors import JobUnknown
from metering.jobs.order_job import order_job
from workspaces import audit
from workspaces.console.kit.base import OperatorAdmin, actor_of

TIMES = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")


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

    # django-celery-beat's own actions switch and send without an entry in the audit trail.

    @admin.action(description="Enable selected tasks")
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        with self._switching(request, queryset):
            super().enable_tasks(request, queryset)

    @admin.action(description="Disable selected tasks")
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        with self._switching(request, queryset):
            super().disable_tasks(request, queryset)

    @admin.action(description="Toggle activity of selected tasks")
    def toggle_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        with self._switching(request, queryset):
            super().toggle_tasks(request, queryset)

    @admin.action(description="Run selected tasks")
    def run_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        for task in queryset:
            try:
                order_job(task.task, actor_of(request), timezone.now())
            except JobUnknown as error:
                messages.error(request, str(error))
            except (OperationalError, OSError) as error:
                messages.error(request, f"The broker does not accept “{task.name}”: {error}")
            else:
                messages.success(request, f"“{task.name}” starts as soon as a worker is free.")

    @contextmanager
    def _switching(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> Iterator[None]:
        """Records each task that is on afterwards and was off, or the other way round."""
        names = dict(queryset.values_list("pk", "enabled"))
        with transaction.atomic():
            yield
            now = timezone.now()
            for task in PeriodicTask.objects.filter(pk__in=names).order_by("name"):
                if task.enabled != names[task.pk]:
                    act = "schedule.enabled" if task.enabled else "schedule.disabled"
                    audit.record(actor_of(request), act, task.task, now=now, name=task.name)

    def get_actions(self, request: HttpRequest) -> Any:
        return {name: act for name, act in super().get_actions(request).items() if name != "delete_selected"}


def is_own(task: PeriodicTask) -> bool:
    """Whether the task came with the product, or Celery put it there, and no person."""
    ours = task.task.startswith(("metering.", "celery."))
    return ours and not PeriodicTask.objects.filter(task=task.task, pk__lt=task.pk).exists()


class IntervalAdmin(OperatorAdmin):
    may_add = True
    may_change = True


class CrontabForm(forms.ModelForm):
    """The library lets pass what Celery cannot read, and then no page shows the time."""

    def clean(self) -> dict[str, Any]:
        for name in TIMES:
            if name in self.cleaned_data:
                try:
                    crontab(**{name: self.cleaned_data[name]})
                except (ParseException, ValueError) as error:
                    self.add_error(name, f"This cannot be read: {error}.")
        return self.cleaned_data


class CrontabAdmin(PlainCrontabAdmin, OperatorAdmin):
    form = CrontabForm
    may_add = True
    may_change = True


# Nothing here runs by the sun or once at a given time.
for unused in (SolarSchedule, ClockedSchedule, PeriodicTask, IntervalSchedule, CrontabSchedule):
    admin.site.unregister(unused)
admin.site.register(PeriodicTask, TaskAdmin)
admin.site.register(IntervalSchedule, IntervalAdmin)
admin.site.register(CrontabSchedule, CrontabAdmin)
