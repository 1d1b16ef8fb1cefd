from django.apps import AppConfig


class WorkspacesConfig(AppConfig):
    name = "workspaces"

    def ready(self) -> None:
        from workspaces import schema  # noqa: F401 - drf-spectacular finds extensions once they are imported
        from workspaces.signin import receivers

        receivers.connect()
