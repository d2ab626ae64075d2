"""What gunicorn serves. Importing it reads the environment and connects to nothing."""

from __future__ import annotations

from orchestrator_api.app import create_app
from workflows import failpoints
from workflows.settings import load
from workflows.telemetry.logging import configure

settings = load()
configure(settings, "api")
failpoints.configure(settings.failpoint)
app = create_app(settings)
