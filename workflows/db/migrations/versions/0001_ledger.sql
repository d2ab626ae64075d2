CREATE TABLE api_keys (
    id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    role TEXT NOT NULL,
    label TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT api_keys_pkey PRIMARY KEY (id)
);

CREATE TABLE events (
    orchestration_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    type TEXT NOT NULL,
    step TEXT,
    data JSONB NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (orchestration_id, number, at)
)
 PARTITION BY RANGE (at);

CREATE TABLE jobs (
    orchestration_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    job_id TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    body JSONB NOT NULL,
    state TEXT NOT NULL,
    outcome TEXT,
    template TEXT NOT NULL,
    workflow_id TEXT NOT NULL,
    allocation_id TEXT NOT NULL,
    inline BOOLEAN NOT NULL,
    priority INTEGER NOT NULL,
    cancel_requested BOOLEAN DEFAULT false NOT NULL,
    error JSONB,
    result JSONB,
    output_fence BIGINT,
    webhook_url TEXT,
    metadata JSONB NOT NULL,
    expires_in_s INTEGER,
    event_count INTEGER DEFAULT 0 NOT NULL,
    deadline_at TIMESTAMP WITH TIME ZONE,
    total_deadline_at TIMESTAMP WITH TIME ZONE,
    estimated_at TIMESTAMP WITH TIME ZONE,
    retain_until TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    granted_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT jobs_pkey PRIMARY KEY (orchestration_id),
    CONSTRAINT jobs_tenant_key UNIQUE (tenant, job_id)
);

CREATE INDEX jobs_open ON jobs (created_at) WHERE finished_at IS NULL;

CREATE INDEX jobs_recent ON jobs (tenant, created_at);

CREATE TABLE nodes (
    id TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    state TEXT NOT NULL,
    capabilities JSONB NOT NULL,
    performance JSONB NOT NULL,
    threads INTEGER NOT NULL,
    memory_bytes BIGINT NOT NULL,
    disk_bytes BIGINT NOT NULL,
    load JSONB DEFAULT '{}' NOT NULL,
    version TEXT NOT NULL,
    registered_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    heartbeat_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT nodes_pkey PRIMARY KEY (id)
);

CREATE TABLE workers (
    id TEXT NOT NULL,
    node TEXT NOT NULL,
    pid INTEGER NOT NULL,
    queues TEXT[] NOT NULL,
    slots INTEGER NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    heartbeat_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT workers_pkey PRIMARY KEY (id)
);

CREATE TABLE allocations (
    id TEXT NOT NULL,
    orchestration_id TEXT NOT NULL,
    state TEXT NOT NULL,
    node TEXT,
    threads INTEGER NOT NULL,
    memory_bytes BIGINT NOT NULL,
    disk_bytes BIGINT NOT NULL,
    quick BOOLEAN NOT NULL,
    strategy TEXT,
    snapshot JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    granted_at TIMESTAMP WITH TIME ZONE,
    released_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT allocations_pkey PRIMARY KEY (id),
    CONSTRAINT allocations_orchestration_id_fkey FOREIGN KEY(orchestration_id) REFERENCES jobs (orchestration_id) ON DELETE CASCADE
);

CREATE INDEX allocations_held ON allocations (node) WHERE state = 'granted';

CREATE INDEX allocations_job ON allocations (orchestration_id);

CREATE TABLE artifacts (
    key TEXT NOT NULL,
    orchestration_id TEXT NOT NULL,
    step_id TEXT NOT NULL,
    fence BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    state TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT artifacts_pkey PRIMARY KEY (key),
    CONSTRAINT artifacts_orchestration_id_fkey FOREIGN KEY(orchestration_id) REFERENCES jobs (orchestration_id) ON DELETE CASCADE
);

CREATE INDEX artifacts_job ON artifacts (orchestration_id);

CREATE TABLE compensations (
    id BIGSERIAL NOT NULL,
    orchestration_id TEXT NOT NULL,
    step_id TEXT NOT NULL,
    action TEXT NOT NULL,
    args JSONB NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    error TEXT,
    next_attempt_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    handed_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    done_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT compensations_pkey PRIMARY KEY (id),
    CONSTRAINT compensations_orchestration_id_fkey FOREIGN KEY(orchestration_id) REFERENCES jobs (orchestration_id) ON DELETE CASCADE
);

CREATE INDEX compensations_job ON compensations (orchestration_id);

CREATE TABLE idempotency (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    orchestration_id TEXT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT idempotency_pkey PRIMARY KEY (tenant, key),
    CONSTRAINT idempotency_orchestration_id_fkey FOREIGN KEY(orchestration_id) REFERENCES jobs (orchestration_id) ON DELETE CASCADE
);

CREATE TABLE outbox (
    id TEXT NOT NULL,
    orchestration_id TEXT NOT NULL,
    url TEXT NOT NULL,
    body JSONB NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    last_status INTEGER,
    last_error TEXT,
    next_attempt_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    delivered_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT outbox_pkey PRIMARY KEY (id),
    CONSTRAINT outbox_orchestration_id_fkey FOREIGN KEY(orchestration_id) REFERENCES jobs (orchestration_id) ON DELETE CASCADE
);

CREATE INDEX outbox_due ON outbox (next_attempt_at) WHERE state = 'pending';

CREATE INDEX outbox_job ON outbox (orchestration_id);

CREATE TABLE workflows (
    id TEXT NOT NULL,
    orchestration_id TEXT NOT NULL,
    template TEXT NOT NULL,
    plan JSONB NOT NULL,
    why TEXT NOT NULL,
    superseded BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT workflows_pkey PRIMARY KEY (id),
    CONSTRAINT workflows_orchestration_id_fkey FOREIGN KEY(orchestration_id) REFERENCES jobs (orchestration_id) ON DELETE CASCADE
);

CREATE INDEX workflows_job ON workflows (orchestration_id);

CREATE TABLE steps (
    id TEXT NOT NULL,
    orchestration_id TEXT NOT NULL,
    workflow_id TEXT NOT NULL,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    queue TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    open_predecessors INTEGER NOT NULL,
    successors TEXT[] NOT NULL,
    time_limit_s FLOAT NOT NULL,
    stall_s FLOAT NOT NULL,
    fence BIGINT DEFAULT 0 NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    failures INTEGER DEFAULT 0 NOT NULL,
    losses INTEGER DEFAULT 0 NOT NULL,
    publishes INTEGER DEFAULT 0 NOT NULL,
    lease_owner TEXT,
    node TEXT,
    progress FLOAT DEFAULT 0 NOT NULL,
    output JSONB,
    error JSONB,
    lease_until TIMESTAMP WITH TIME ZONE,
    heartbeat_at TIMESTAMP WITH TIME ZONE,
    next_attempt_at TIMESTAMP WITH TIME ZONE,
    dispatched_at TIMESTAMP WITH TIME ZONE,
    ready_at TIMESTAMP WITH TIME ZONE,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT steps_pkey PRIMARY KEY (id),
    CONSTRAINT steps_orchestration_id_fkey FOREIGN KEY(orchestration_id) REFERENCES jobs (orchestration_id) ON DELETE CASCADE,
    CONSTRAINT steps_workflow_id_fkey FOREIGN KEY(workflow_id) REFERENCES workflows (id) ON DELETE CASCADE
);

CREATE INDEX steps_job ON steps (orchestration_id);

CREATE INDEX steps_live ON steps (state) WHERE state IN ('ready', 'waiting', 'running');


-- Heartbeats rewrite a step's row every few seconds: room in the page lets them stay in place (HOT), no index touched.
ALTER TABLE steps SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
