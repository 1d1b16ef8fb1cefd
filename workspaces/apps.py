from typing import Any

from django.apps import AppConfig
from django.db.backends.signals import connection_created


class WorkspacesConfig(AppConfig):
    name = "workspaces"

    def ready(self) -> None:
        import workspaces.access.openapi  # noqa: F401 - drf-spectacular finds extensions once they are imported
        from workspaces.audit import people
        from workspaces.signin import receivers

        receivers.connect_signals()
        people.connect_people()

        connection_created.connect(_guard_statements)


def _guard_statements(connection: Any, **_: Any) -> None:
    from workspaces.redaction import redact_statement

    if redact_statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(redact_statement)
