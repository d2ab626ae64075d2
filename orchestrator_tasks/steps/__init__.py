"""The steps, one module each. `STEPS` names the function behind every step of every template."""

from __future__ import annotations

from orchestrator_tasks.steps import (
    allocate,
    analyze,
    cleanup,
    create_record,
    download,
    notify,
    process,
    qa,
    queue,
    update,
    upload,
    validate,
)
from orchestrator_tasks.task import Work

STEPS: dict[str, Work] = {
    "validate": validate.run,
    "create_record": create_record.run,
    "queue": queue.run,
    "allocate": allocate.run,
    "download": download.run,
    "analyze": analyze.run,
    "process": process.run,
    "qa": qa.run,
    "upload": upload.run,
    "update": update.run,
    "notify": notify.run,
    "cleanup": cleanup.run,
}
