"""The workflow templates. Their order is policy: a job goes to the first that takes it, else to the last."""

from workflows.templates import balanced_async, quick_sync
from workflows.templates.model import Template

TEMPLATES: dict[str, Template] = {template.NAME: template for template in (quick_sync, balanced_async)}
