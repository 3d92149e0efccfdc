-- Kubernetes objects of the embedded API server: one row an object, its body the JSON that clients see.

CREATE TABLE kube_object (
    resource   TEXT NOT NULL,
    namespace  TEXT NOT NULL,
    name       TEXT NOT NULL,
    body       BLOB NOT NULL
);

CREATE UNIQUE INDEX kube_object_by_name ON kube_object (resource, namespace, name);

-- Who names whom in its ownerReferences, so that the end of an owner finds its dependents.
CREATE TABLE kube_dependent (
    owner_uid  TEXT NOT NULL,
    resource   TEXT NOT NULL,
    namespace  TEXT NOT NULL,
    name       TEXT NOT NULL,
    PRIMARY KEY (owner_uid, resource, namespace, name)
);

CREATE INDEX kube_dependent_by_name ON kube_dependent (resource, namespace, name);

-- No resource version beyond this one has been given; only ever grows, by the thousand.
CREATE TABLE kube_version (
    reserved  INTEGER NOT NULL
);

INSERT INTO kube_version (reserved) VALUES (0);
