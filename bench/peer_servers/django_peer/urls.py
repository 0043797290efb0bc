"""SCIM, and a page that says the server is up."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def _healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [path("healthz", _healthz), path("scim/v2/", include("django_scim.urls"))]
