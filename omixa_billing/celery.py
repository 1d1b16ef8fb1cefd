"""The Celery application: the broker carries reminders of work, never the only copy of anything."""

import os
from typing import Any

from celery import Celery
from celery.signals import task_prerun

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")

app = Celery("omixa_billing")
app.set_default()  # also in the web server's threads
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["workspaces", "metering"])


@task_prerun.connect
def drop_dead_connections(task: Any, **_: Any) -> None:
    """Tasks share a database connection, as requests do: one that broke meanwhile is replaced before the next task."""
    from django.db import close_old_connections

    if not task.request.is_eager:
        close_old_connections()
