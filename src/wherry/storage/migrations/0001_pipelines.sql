-- Runs of pipelines, the attempts of their tasks, and everything that happened to them.
-- Plain SQL for SQLite and PostgreSQL; times are seconds since the epoch, documents are JSON text.
-- (Equalities instead of IN: SQLite builds a table for each evaluation of a list.)

CREATE TABLE migration (
    number      INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    applied_at  TEXT NOT NULL
);

-- Small facts about this database, such as the identity of the home.
CREATE TABLE meta (
    name   TEXT PRIMARY KEY,
    value  TEXT NOT NULL
);

-- Pipeline documents by content: a thousand runs of one pipeline keep it once.
CREATE TABLE document (
    sha256  TEXT PRIMARY KEY,
    body    BLOB NOT NULL
);

CREATE TABLE run (
    number         INTEGER PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    name           TEXT NOT NULL,
    resource_name  TEXT NOT NULL,
    pipeline       TEXT NOT NULL,
    namespace      TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state = 'PENDING' OR state = 'RUNNING' OR state = 'SUCCEEDED' OR state = 'FAILED' OR state = 'CANCELING' OR state = 'CANCELED'),
    generation     INTEGER NOT NULL DEFAULT 0 CHECK (generation >= 0),
    document       TEXT NOT NULL REFERENCES document (sha256),
    arguments      TEXT NOT NULL,
    options        TEXT NOT NULL,
    root           TEXT NOT NULL,
    outputs        TEXT,
    error          TEXT,
    created_at     DOUBLE PRECISION NOT NULL,
    started_at     DOUBLE PRECISION,
    finished_at    DOUBLE PRECISION,
    CHECK ((finished_at IS NOT NULL) = (state IN ('SUCCEEDED', 'FAILED', 'CANCELED')))
);

CREATE INDEX run_unfinished ON run (number) WHERE state IN ('PENDING', 'RUNNING', 'CANCELING');

-- One row an attempt of a node (leaf task, DAG, loop, iteration, importer) of a run.
CREATE TABLE task (
    run          INTEGER NOT NULL REFERENCES run (number) ON DELETE CASCADE,
    path         TEXT NOT NULL,
    attempt      INTEGER NOT NULL CHECK (attempt >= 1),
    incarnation  INTEGER NOT NULL DEFAULT 0 CHECK (incarnation >= 0),
    kind         TEXT NOT NULL CHECK (kind = 'task' OR kind = 'dag' OR kind = 'loop' OR kind = 'iteration' OR kind = 'importer'),
    tries        INTEGER NOT NULL DEFAULT 1,
    generation   INTEGER NOT NULL DEFAULT 0,
    phase        TEXT NOT NULL CHECK (phase = 'PENDING' OR phase = 'RUNNING' OR phase = 'SUCCEEDED' OR phase = 'CACHED' OR phase = 'FAILED' OR phase = 'SKIPPED' OR phase = 'CANCELED'),
    reason       TEXT NOT NULL DEFAULT '',
    outputs      TEXT,
    error        TEXT,
    cached_from  TEXT,
    due_at       DOUBLE PRECISION,
    started_at   DOUBLE PRECISION,
    finished_at  DOUBLE PRECISION,
    PRIMARY KEY (run, path, attempt),
    CHECK ((finished_at IS NOT NULL) = (phase NOT IN ('PENDING', 'RUNNING')))
);

-- At most one attempt of a task is live, and at most one commits (a retry of the run may run it anew: a new generation).
CREATE UNIQUE INDEX task_one_live ON task (run, path) WHERE phase IN ('PENDING', 'RUNNING');
CREATE UNIQUE INDEX task_one_commit ON task (run, path, generation) WHERE phase IN ('SUCCEEDED', 'CACHED');

-- Everything that happened, in order: the transitions of runs (path '') and tasks, and notices.
CREATE TABLE history (
    id           INTEGER PRIMARY KEY,
    run          INTEGER NOT NULL REFERENCES run (number) ON DELETE CASCADE,
    at           DOUBLE PRECISION NOT NULL,
    event        TEXT NOT NULL CHECK (event = 'run' OR event = 'task' OR event = 'notice'),
    path         TEXT NOT NULL DEFAULT '',
    attempt      INTEGER NOT NULL DEFAULT 0,
    before       TEXT,
    after        TEXT,
    reason       TEXT NOT NULL DEFAULT '',
    detail       TEXT
);

CREATE INDEX history_of_run ON history (run, id);

-- What tasks have produced, by name, for listing; the truth of a task's outputs is task.outputs.
CREATE TABLE artifact (
    id        INTEGER PRIMARY KEY,
    run       INTEGER NOT NULL REFERENCES run (number) ON DELETE CASCADE,
    path      TEXT NOT NULL,
    attempt   INTEGER NOT NULL,
    output    TEXT NOT NULL,
    name      TEXT NOT NULL,
    type      TEXT NOT NULL,
    uri       TEXT NOT NULL,
    digest    TEXT,
    metadata  TEXT NOT NULL
);

CREATE INDEX artifact_of_run ON artifact (run, path);

-- Results that another task with the same key may use instead of running; recorded only for what succeeded.
CREATE TABLE cache (
    id          INTEGER PRIMARY KEY,
    namespace   TEXT NOT NULL,
    key         TEXT NOT NULL,
    run         INTEGER NOT NULL REFERENCES run (number) ON DELETE CASCADE,
    path        TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    created_at  DOUBLE PRECISION NOT NULL
);

CREATE INDEX cache_by_key ON cache (namespace, key, id);
CREATE INDEX cache_of_run ON cache (run);
