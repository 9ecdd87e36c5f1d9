"""Judges how an article reads."""
