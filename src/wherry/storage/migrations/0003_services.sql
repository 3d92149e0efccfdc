-- What the KFP API keeps beside runs: experiments, pipelines with their versions, and runs that recur.

CREATE TABLE experiment (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    namespace    TEXT NOT NULL DEFAULT '',
    description  TEXT NOT NULL DEFAULT '',
    archived     INTEGER NOT NULL DEFAULT 0 CHECK (archived = 0 OR archived = 1),
    created_at   DOUBLE PRECISION NOT NULL,
    last_run_at  DOUBLE PRECISION,
    UNIQUE (namespace, name)
);

CREATE TABLE pipeline (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    namespace     TEXT NOT NULL DEFAULT '',
    display_name  TEXT NOT NULL,
    description   TEXT NOT NULL DEFAULT '',
    tags          TEXT NOT NULL DEFAULT '{}',
    created_at    DOUBLE PRECISION NOT NULL,
    UNIQUE (namespace, name)
);

CREATE TABLE pipeline_version (
    id               TEXT PRIMARY KEY,
    pipeline         TEXT NOT NULL REFERENCES pipeline (id) ON DELETE CASCADE,
    name             TEXT NOT NULL,
    display_name     TEXT NOT NULL,
    description      TEXT NOT NULL DEFAULT '',
    code_source_url  TEXT NOT NULL DEFAULT '',
    package_url      TEXT NOT NULL DEFAULT '',
    document         TEXT NOT NULL REFERENCES document (sha256),
    tags             TEXT NOT NULL DEFAULT '{}',
    created_at       DOUBLE PRECISION NOT NULL,
    UNIQUE (pipeline, name)
);

CREATE INDEX pipeline_version_by_document ON pipeline_version (document);

-- `fired_until` is the latest time of the schedule that has been dealt with: a run was made for it or it was passed
-- over.  A fire changes it in the transaction that makes the run, so no fire happens twice.
CREATE TABLE recurring_run (
    id               TEXT PRIMARY KEY,
    name             TEXT NOT NULL,
    namespace        TEXT NOT NULL DEFAULT '',
    description      TEXT NOT NULL DEFAULT '',
    experiment       TEXT NOT NULL,
    pipeline         TEXT,
    version          TEXT,
    document         TEXT REFERENCES document (sha256),
    arguments        TEXT NOT NULL,
    pipeline_root    TEXT NOT NULL DEFAULT '',
    service_account  TEXT NOT NULL DEFAULT '',
    max_concurrency  INTEGER NOT NULL CHECK (max_concurrency >= 1),
    catch_up         INTEGER NOT NULL CHECK (catch_up = 0 OR catch_up = 1),
    enabled          INTEGER NOT NULL CHECK (enabled = 0 OR enabled = 1),
    schedule         TEXT NOT NULL,
    fires            INTEGER NOT NULL DEFAULT 0,
    fired_until      DOUBLE PRECISION NOT NULL,
    error            TEXT,
    created_at       DOUBLE PRECISION NOT NULL,
    updated_at       DOUBLE PRECISION NOT NULL
);

CREATE INDEX recurring_run_by_document ON recurring_run (document);

-- What a run is told of by the API and what made it; runs of the command line belong to the Default experiment.
ALTER TABLE run ADD COLUMN experiment TEXT NOT NULL DEFAULT '00000000-0000-4000-8000-00000000d00d';
ALTER TABLE run ADD COLUMN archived INTEGER NOT NULL DEFAULT 0 CHECK (archived = 0 OR archived = 1);
ALTER TABLE run ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN pipeline_id TEXT;
ALTER TABLE run ADD COLUMN version_id TEXT;
ALTER TABLE run ADD COLUMN recurring_run TEXT;
ALTER TABLE run ADD COLUMN service_account TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN scheduled_at DOUBLE PRECISION;

CREATE INDEX run_by_creation ON run (created_at, number);
CREATE INDEX run_of_experiment ON run (experiment, created_at, number);
CREATE INDEX run_by_name ON run (name, number);
CREATE INDEX run_of_document ON run (document);
CREATE INDEX run_of_recurring ON run (recurring_run, finished_at) WHERE recurring_run IS NOT NULL;

-- The states of a run, without the many entries of its tasks.
CREATE INDEX history_of_states ON history (run, id) WHERE event = 'run';
