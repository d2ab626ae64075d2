"""The fixed words for steps that clients see: the `current_step` of a job's status."""

from __future__ import annotations

STATUS_WORDS = {
    "validate": "validation",
    "create_record": "record_creation",
    "queue": "queueing",
    "allocate": "resource_allocation",
    "download": "source_download",
    "analyze": "source_analysis",
    "partition": "partitioning",
    "process": "video_processing",
    "mix_audio": "audio_mixing",
    "merge": "result_merging",
    "qa": "quality_check",
    "upload": "result_upload",
    "update": "result_publishing",
    "notify": "notification",
    "cleanup": "cleanup",
}


def status_word(step_name: str) -> str:
    """The client's word for a step; a segment's `process` and its like (`process.3`) read as the step itself."""
    name = step_name.partition(".")[0]
    return STATUS_WORDS.get(name, name)
