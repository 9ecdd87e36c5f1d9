"""Migrations of the workspaces, as `manage.py makemigrations` wrote them."""
