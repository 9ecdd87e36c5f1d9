"""Remembers which articles are new."""
