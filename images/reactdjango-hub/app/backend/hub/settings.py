"""Settings of the Django back end, from the same variables as those of the services.

Only what this back end uses is switched on: it has no pages, no sessions and no accounts of its own.
"""

import os

from bedplate_app.settings import flag, number, text
from common.settings import database, log_level

_database = database(os.environ)

SECRET_KEY = text(os.environ, "DJANGO_SECRET_KEY")
DEBUG = flag(os.environ, "DEBUG")
# The gateway is the only way in, and passes on whatever name the appliance is called by.
ALLOWED_HOSTS = text(os.environ, "DJANGO_ALLOWED_HOSTS", "*").split(",")

INSTALLED_APPS = ["workspaces"]
MIDDLEWARE = [
    "hub.observe.Observe",
    "django.middleware.security.SecurityMiddleware",
    "hub.errors.Errors",
]
ROOT_URLCONF = "hub.urls"
APPEND_SLASH = False
WSGI_APPLICATION = "hub.wsgi.application"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": _database.host,
        "PORT": _database.port,
        "NAME": _database.name,
        "USER": _database.user,
        "PASSWORD": _database.password,
        # One connection is kept by each thread, and looked at before it is used again.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 10, "options": "-c statement_timeout=20000"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": text(os.environ, "REDIS_URL"),
        "KEY_PREFIX": "django",
        "OPTIONS": {
            "max_connections": number(os.environ, "REDIS_MAX_CONNECTIONS", "50"),
            "socket_timeout": 10,
            "socket_connect_timeout": 10,
        },
    }
}

DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": log_level(os.environ)},
    # Refused requests are counted, and no news.
    "loggers": {"django.request": {"level": "ERROR"}},
}
