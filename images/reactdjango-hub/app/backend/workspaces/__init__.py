"""Workspaces: where an account pins its documents."""
