"""The Celery application: the broker carries reminders of work, never the only copy of anything."""

import os
from functools import partial
from typing import Any

from celery import Celery
from celery.signals import task_prerun
from kombu.serialization import register
from kombu.utils import json as kombu_json

from metering.ingest.formats.repeated import loads_as_written

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")

# Events come as arguments of a task too: what their usage states twice must still be seen there.
read_json = partial(kombu_json.loads, _loads=loads_as_written)
register("json", kombu_json.dumps, read_json, content_type="application/json", content_encoding="utf-8")

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
