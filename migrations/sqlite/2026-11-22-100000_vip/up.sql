-- What staff set by hand, and what follows for lists: `vip_until` is when the
-- active designation ends (the highest number where it does not by itself),
-- and `status` the badge's word by its gravity.
ALTER TABLE customers ADD COLUMN flag TEXT;
ALTER TABLE customers ADD COLUMN flag_note TEXT;
ALTER TABLE customers ADD COLUMN flagged_at INTEGER;
ALTER TABLE customers ADD COLUMN flagged_by TEXT;
ALTER TABLE customers ADD COLUMN vip_until INTEGER;
ALTER TABLE customers ADD COLUMN status INTEGER NOT NULL DEFAULT 0;
CREATE INDEX customers_by_status ON customers (store_id, status, customer_id);

-- One row a customer who is or was a VIP.
CREATE TABLE designations (
    store_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    tier TEXT,
    tier_at INTEGER NOT NULL,
    is_paused INTEGER NOT NULL,
    since TEXT NOT NULL,
    since_month INTEGER NOT NULL,
    benefits TEXT NOT NULL,
    benefits_dropped TEXT NOT NULL,
    notes TEXT,
    profile TEXT,
    priority TEXT,
    team TEXT,
    assigned_to TEXT,
    ends_at INTEGER,
    grace_until INTEGER,
    is_automatic INTEGER NOT NULL,
    designated_at INTEGER NOT NULL,
    ended_at INTEGER,
    end_reason TEXT,
    removal_reason TEXT,
    removal_note TEXT,
    -- The state to list it by, and when time alone may change it.
    state TEXT NOT NULL,
    due_at INTEGER,
    PRIMARY KEY (store_id, customer_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX designations_by_since ON designations (store_id, since, customer_id);
CREATE INDEX designations_by_state ON designations (store_id, state, customer_id);
CREATE INDEX designations_by_assignee ON designations (store_id, assigned_to, customer_id);
CREATE INDEX designations_by_due ON designations (due_at, store_id, customer_id);

-- Two rows a link, so that it is found from both sides.
CREATE TABLE customer_links (
    store_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    other_id TEXT NOT NULL,
    relation TEXT NOT NULL,
    note TEXT,
    linked_at INTEGER NOT NULL,
    PRIMARY KEY (store_id, customer_id, other_id)
) STRICT, WITHOUT ROWID;

-- The audit log: what was and what became of it, and apart from that the
-- notes, which erasure deletes.
ALTER TABLE audit_entries RENAME COLUMN detail TO values_after;
ALTER TABLE audit_entries ADD COLUMN values_before TEXT NOT NULL DEFAULT '{}';
CREATE INDEX audit_entries_by_time ON audit_entries (store_id, recorded_at, entry_id);
CREATE INDEX audit_entries_of_customer ON audit_entries (store_id, customer_id, recorded_at, entry_id);
CREATE INDEX audit_entries_of_subject ON audit_entries (store_id, subject, recorded_at, entry_id);
CREATE INDEX audit_entries_of_action ON audit_entries (store_id, action, recorded_at, entry_id);

CREATE TABLE audit_notes (
    store_id TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    customer_id TEXT,
    note TEXT NOT NULL,
    PRIMARY KEY (store_id, entry_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_notes_of_customer ON audit_notes (store_id, customer_id);
-- Reasons were kept among the values before there were notes.
INSERT INTO audit_notes (store_id, entry_id, customer_id, note)
    SELECT e.store_id, e.entry_id, e.customer_id, json_extract(e.values_after, '$.reason')
    FROM audit_entries AS e
    JOIN customers AS c ON c.store_id = e.store_id AND c.customer_id = e.customer_id
    WHERE e.action = 'membership_recalculated' AND c.erased_at IS NULL;
UPDATE audit_entries SET values_after = json_remove(values_after, '$.reason')
    WHERE action = 'membership_recalculated';

CREATE TRIGGER audit_entries_are_not_updated BEFORE UPDATE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'audit entries are append-only');
END;
CREATE TRIGGER audit_entries_are_not_deleted BEFORE DELETE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'audit entries are append-only');
END;

-- What happened, for those who poll. An event is written without a number and
-- gets its number once it is committed.
CREATE TABLE events (
    store_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    number INTEGER,
    kind TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (store_id, event_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX events_by_number ON events (store_id, number);
CREATE INDEX events_without_number ON events (store_id, event_id) WHERE number IS NULL;
CREATE INDEX events_of_customer ON events (store_id, customer_id, recorded_at, event_id);

CREATE TABLE event_counters (
    store_id TEXT NOT NULL,
    last_number INTEGER NOT NULL,
    PRIMARY KEY (store_id)
) STRICT, WITHOUT ROWID;
