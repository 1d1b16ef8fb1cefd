from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from workspaces.demo import create_demo


class Command(BaseCommand):
    help = "On an installation without any workspace: create a demo and print how to use it. Else do nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        demo = create_demo(timezone.now())
        if demo is not None:
            self.stdout.write(demo.text(settings.PUBLIC_URL))
