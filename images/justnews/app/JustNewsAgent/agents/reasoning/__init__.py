"""Draws the conclusion from what the others found."""
