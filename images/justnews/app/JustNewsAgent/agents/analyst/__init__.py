"""Measures an article."""
