"""Finds what an article claims."""
