"""Decides what is published."""
