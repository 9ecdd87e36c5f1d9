"""Workspaces and what is pinned to them."""

from typing import Any

from django.db import models


class Workspace(models.Model):
    """A named place of one account; `owner` is the number of the account at identity-service."""

    owner = models.BigIntegerField(db_index=True)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Names are an owner's own."""

        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="workspace_name_of_owner")
        ]

    def describe(self) -> dict[str, Any]:
        """As JSON."""
        pins = [{"document": pin.document, "title": pin.title} for pin in self.pins.all()]
        return {"id": self.id, "name": self.name, "pins": pins}


class Pin(models.Model):
    """A document of content-service in a workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="pins")
    document = models.BigIntegerField()
    title = models.TextField()

    class Meta:
        """A document is pinned once."""

        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "document"], name="pin_once")
        ]
