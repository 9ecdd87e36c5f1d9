"""Paths of the back end."""

from django.urls import path

from . import catalogue, operations
from workspaces import views

urlpatterns = [
    path("health", operations.health),
    path("metrics", operations.metrics),
    path("shutdown", operations.shutdown),
    path("v1/catalog/services", catalogue.services),
    path("v1/health/service/<str:name>", catalogue.health_of),
    path("api/workspaces", views.workspaces),
    path("api/workspaces/<int:id>", views.workspace),
    path("api/workspaces/<int:id>/pins", views.pins),
]
