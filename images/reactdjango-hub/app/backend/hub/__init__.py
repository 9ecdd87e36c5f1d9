"""The Django project of ReactDjango Hub."""
