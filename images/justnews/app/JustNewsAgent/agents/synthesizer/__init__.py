"""Sums an article up."""
