"""Forms of the console that were sent, which `workspaces.models` gathers for Django."""

from django.db import models


class SentForm(models.Model):
    """A form of the console that was sent, so that it acts once however often it comes."""

    token = models.CharField(max_length=32, primary_key=True)
    sent_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.token
