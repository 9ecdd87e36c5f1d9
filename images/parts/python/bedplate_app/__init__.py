"""What the reference applications share: a JSON web server, metrics, settings, PostgreSQL, calls."""
