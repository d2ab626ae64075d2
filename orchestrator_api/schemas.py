"""The JSON shapes of the answers, for the document and as the last filter before the wire.

Names are the brief's where the brief has them; each text that carries a number has a numeric twin.
"""

# ruff: noqa: N815 - the brief's names

from __future__ import annotations

from marshmallow import RAISE, Schema, fields, validate

from workflows.jobs.states import STATUS_WORD

WORDS = list(dict.fromkeys(STATUS_WORD.values()))


def _text(about: str, example: str, **options: object) -> fields.String:
    return fields.String(metadata={"description": about, "example": example}, **options)  # type: ignore[arg-type]


def _number(about: str, example: float) -> fields.Float:
    return fields.Float(metadata={"description": about, "example": example})


def _integer(about: str, example: int) -> fields.Integer:
    return fields.Integer(metadata={"description": about, "example": example})


def _time(about: str) -> fields.String:
    return fields.String(metadata={"description": about, "format": "date-time", "example": "2023-12-01T10:30:00Z"})


def _object(about: str) -> fields.Dict:
    return fields.Dict(keys=fields.String(), metadata={"description": about})


class Problem(Schema):
    """What went wrong (RFC 9457), as application/problem+json."""

    type = _text("Where the code is explained.", "/api/v1/docs#invalid_spec", required=True)
    title = _text("The kind of problem.", "Invalid spec", required=True)
    status = _integer("The HTTP status.", 422)
    detail = _text("What is wrong here.", "unknown property 'sorce'", required=True)
    code = _text("Stable code, for programs.", "invalid_spec", required=True)
    path = _text("The place in the request at fault.", "elements[0].sorce")
    retryable = fields.Boolean(metadata={"description": "Whether the same request may succeed later."})
    remedy = _text("What to do.", "Did you mean `source`?")
    errors = fields.List(_object("{path, code, message, remedy}"), metadata={"description": "One entry a fault."})
    details = _object("Facts, by code.")
    jobId = _text("The job, when it failed while its client waited.", "job_12345")
    orchestrationId = _text("Its orchestration id.", "orch_1234567890")
    workflow_id = _text("Its workflow.", "wf_1234567890")
    request_id = _text("Joins this answer to the logs.", "req_1234567890")


class Immediate(Schema):
    """A job that ended while its client waited."""

    jobId = _text("The client's id of the job, or ours.", "job_12345", required=True)
    orchestrationId = _text("Our id of the job.", "orch_1234567890", required=True)
    status = _text("Always `immediate`.", "immediate", required=True)
    result_url = _text("Signed URL of the result.", "https://s3.amazonaws.com/bucket/result.mp4", required=True)
    processing_time = _text("From the start of the work to its end.", "25000ms", required=True)
    processing_time_ms = _integer("The same as a number.", 25000)
    file_size = _text("Decimal, rounded.", "50MB", required=True)
    file_size_bytes = _integer("The same, exact.", 50000000)
    message = _text("For people.", "Job completed successfully", required=True)


class Queued(Schema):
    """A job that goes on after the answer."""

    jobId = _text("The client's id of the job, or ours.", "job_12345", required=True)
    orchestrationId = _text("Our id of the job.", "orch_1234567890", required=True)
    status = _text("Always `queued`; the status address tells what has become of it.", "queued", required=True)
    message = _text("For people.", "Job queued for processing", required=True)
    estimated_completion = _time("When it should be done.")
    workflow_id = _text("The workflow that runs it.", "wf_1234567890", required=True)
    resource_allocation_id = _text("Its reservation, requested or granted.", "res_1234567890", required=True)


class AnalyzedElement(Schema):
    """Where and when one element plays."""

    id = _text("The client's id, or ours.", "title")
    type = _text("Its type.", "text")
    track = _integer("Higher is in front.", 3)
    frames = fields.List(fields.Integer(), metadata={"description": "Its first frame, and the one after its last."})
    seconds = fields.List(fields.Float(), metadata={"description": "The same in seconds."})
    box = fields.List(
        fields.Integer(), allow_none=True, metadata={"description": "x, y, width, height in pixels; null for sound."}
    )
    sound = fields.Boolean(metadata={"description": "Whether it is heard."})
    assumed = fields.Boolean(metadata={"description": "Whether its source's length or size is assumed, not known."})


class Analyzed(Schema):
    """What would become of a job."""

    output_format = _text("What would be made.", "mp4")
    width = _integer("Pixels.", 1920)
    height = _integer("Pixels.", 1080)
    frame_rate = _text("Frames a second, exactly.", "30000/1001")
    frames = _integer("Length in frames.", 300)
    duration_s = _number("Length in seconds.", 10.0)
    elements = fields.List(
        fields.Nested(AnalyzedElement), metadata={"description": "In paint order, back first; sound by its track."}
    )
    assumed = fields.List(
        fields.String(), metadata={"description": "Elements whose source's length or size is assumed until it is read."}
    )
    complexity = _number("0 to 1.", 0.31)
    complexity_parts = _object("The complexity as a sum of named parts.")
    p50_s = _number("Seconds the render should take.", 5.1)
    p90_s = _number("Seconds nine renders in ten should take at most.", 9.2)
    estimate_parts_s = _object("p50_s as a sum of named parts.")
    need = _object("What it would reserve on a node: threads, memory_bytes, disk_bytes.")
    template = _text("The workflow template.", "quick_sync")
    reason = _text("Why this one.", "Rendering should take 5.1 s …")
    runner_up = fields.String(allow_none=True, metadata={"description": "The template that comes next."})
    flips_when = _text("What would make it the other.", "It would be balanced_async above 30 s predicted.")
    total_s = _integer("Seconds the workflow may take.", 60)
    steps = fields.List(_object("Of the plan, in order: {name, queue, after, time_limit_s}."))


class Status(Schema):
    """How far a job is."""

    status = _text("Where it is.", "processing", required=True, validate=validate.OneOf(WORDS))
    job_id = _text("The client's id of the job, or ours.", "job_12345", required=True)
    orchestration_id = _text("Our id of the job.", "orch_1234567890")
    progress = _text("In percent.", "75%", required=True)
    progress_fraction = _number("0 to 1.", 0.75)
    current_step = _text("What is being done.", "video_processing", required=True)
    message = _text("For people.", "Processing video elements", required=True)
    estimated_completion = _time("When it should be done; when it ended, for one that has.")
    error = _object("Of a job that failed: code, message, retryable, remedy, path, details.")
    result_url = _text("Signed URL of the result, once there is one.", "https://s3.amazonaws.com/bucket/result.mp4")
    processing_time = _text("From the start of the work to its end.", "25000ms")
    processing_time_ms = _integer("The same as a number.", 25000)
    file_size = _text("Decimal, rounded.", "50MB")
    file_size_bytes = _integer("The same, exact.", 50000000)


class Step(Schema):
    """One step of a workflow."""

    name = _text("What the step does.", "process")
    state = _text("Where it is.", "running")
    reason = _text("What it waits for.", "allocation")
    queue = _text("The queue it is published to.", "quick")
    node = _text("The machine that has or had it.", "node-1")
    attempts = _integer("How often it was started.", 1)
    failures = _integer("Attempts that ended in an error.", 0)
    losses = _integer("Attempts whose worker vanished.", 0)
    progress_fraction = _number("0 to 1.", 0.4)
    started_at = _time("Start of the last attempt.")
    finished_at = _time("Its end.")
    seconds = _number("How long it took, or has taken so far.", 3.2)
    output = _object("What it produced.")
    error = _object("Of the last failed attempt.")


class Job(Status):
    """A job in full."""

    template = _text("The workflow template.", "quick_sync")
    workflow_id = _text("The workflow that runs it.", "wf_1234567890")
    resource_allocation_id = _text("Its reservation.", "res_1234567890")
    why = _object("Why this template: reason, runner_up, flips_when.")
    estimate = _object("The predicted cost.")
    priority = _integer("The weight of its priority.", 2)
    metadata = _object("The client's own.")
    result = _object("Facts of the file, warnings.")
    created_at = _time("When it was accepted.")
    started_at = _time("When its work began.")
    finished_at = _time("When it ended.")
    deadline = _time("The client's own deadline.")
    steps = fields.List(fields.Nested(Step))


class Summary(Schema):
    """One job of the list."""

    job_id = _text("The client's id of the job, or ours.", "job_12345")
    orchestration_id = _text("Our id of the job.", "orch_1234567890")
    status = _text("Where it is.", "completed")
    template = _text("The workflow template.", "quick_sync")
    created_at = _time("When it was accepted.")
    finished_at = _time("When it ended.")
    estimated_completion = _time("When it should be done.")
    error_code = _text("Of a job that failed.", "source_not_found")


class JobList(Schema):
    """The newest jobs of the caller's tenant."""

    jobs = fields.List(fields.Nested(Summary))
    next_cursor = _text("Pass it as `cursor` for the page after; absent on the last one.", "MjAyNi4uLg")


class ListQuery(Schema):
    """What the list of jobs may be narrowed by."""

    class Meta:
        """Unknown parameters are refused."""

        unknown = RAISE

    status = fields.String(validate=validate.OneOf(WORDS), metadata={"description": "Only jobs that are there."})
    cursor = fields.String(validate=validate.Length(max=200), metadata={"description": "From a page's `next_cursor`."})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 50), metadata={"description": "Page size."})


class EventsQuery(Schema):
    """Where to start in the events."""

    class Meta:
        """Unknown parameters are refused."""

        unknown = RAISE

    after = fields.Integer(
        load_default=0,
        validate=validate.Range(0, 2**31 - 1),
        metadata={"description": "The last number already known."},
    )


class Event(Schema):
    """One event of a job; numbers start at 1 and have no gaps."""

    number = _integer("Its place in the job's history.", 1)
    at = _time("When.")
    type = _text("What.", "step_done")
    step = _text("Where it belongs to a step.", "process")
    data = _object("More, by type.")


class Events(Schema):
    """The history of a job."""

    job_id = _text("The client's id of the job, or ours.", "job_12345")
    orchestration_id = _text("Our id of the job.", "orch_1234567890")
    events = fields.List(fields.Nested(Event))


class Check(Schema):
    """What one health check found."""

    ok = fields.Boolean()
    latency_ms = _number("How long the part took to answer.", 1.8)
    detail = _text("For people.", "answers")


class Health(Schema):
    """Whether the parts answer."""

    status = _text("healthy, degraded or unhealthy.", "healthy")
    timestamp = _time("When this was asked.")
    version = _text("Of the service.", "0.1.0")
    checks = fields.Dict(keys=fields.String(), values=fields.Nested(Check))
    process = _object("Of the detailed form: this API process.")
    nodes = fields.List(_object("Of the detailed form: each node's own load."))


class Ready(Schema):
    """Whether a job posted now would run."""

    ready = fields.Boolean()
    checks = fields.Dict(keys=fields.String(), values=fields.Nested(Check))


class Services(Schema):
    """The registered nodes and their workers."""

    timestamp = _time("When this was asked.")
    services = fields.List(
        _object("A node with its workers: id, state, health, capabilities, capacity, load, workers.")
    )


class Resources(Schema):
    """Capacity and what is reserved of it."""

    timestamp = _time("When this was asked.")
    total = _object(
        "Sums over the live nodes: {threads, memory_bytes, disk_bytes} of {capacity, reserved, utilization}."
    )
    nodes = fields.List(_object("The same for each live node, with its running jobs."))
    waiting = _object("Steps that wait, by reason.")


class Workflows(Schema):
    """The caller's workflows that have not ended."""

    timestamp = _time("When this was asked.")
    workflows = fields.List(_object("id, template, status, job_id, orchestration_id, progress, current_step, steps."))
