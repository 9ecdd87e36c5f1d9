"""Takes articles in."""
