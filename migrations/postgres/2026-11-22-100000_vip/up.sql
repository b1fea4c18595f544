-- What staff set by hand, and what follows for lists: `vip_until` is when the
-- active designation ends (the highest number where it does not by itself),
-- and `status` the badge's word by its gravity.
ALTER TABLE customers ADD COLUMN flag TEXT;
ALTER TABLE customers ADD COLUMN flag_note TEXT;
ALTER TABLE customers ADD COLUMN flagged_at BIGINT;
ALTER TABLE customers ADD COLUMN flagged_by TEXT;
ALTER TABLE customers ADD COLUMN vip_until BIGINT;
ALTER TABLE customers ADD COLUMN status BIGINT NOT NULL DEFAULT 0;
CREATE INDEX customers_by_status ON customers (store_id, status, customer_id);

-- One row a customer who is or was a VIP.
CREATE TABLE designations (
    store_id TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    tier TEXT COLLATE "C",
    tier_at BIGINT NOT NULL,
    is_paused BOOLEAN NOT NULL,
    since TEXT COLLATE "C" NOT NULL,
    since_month INTEGER NOT NULL,
    benefits TEXT NOT NULL,
    benefits_dropped TEXT NOT NULL,
    notes TEXT,
    profile TEXT,
    priority TEXT,
    team TEXT,
    assigned_to TEXT COLLATE "C",
    ends_at BIGINT,
    grace_until BIGINT,
    is_automatic BOOLEAN NOT NULL,
    designated_at BIGINT NOT NULL,
    ended_at BIGINT,
    end_reason TEXT,
    removal_reason TEXT,
    removal_note TEXT,
    -- The state to list it by, and when time alone may change it.
    state TEXT COLLATE "C" NOT NULL,
    due_at BIGINT,
    PRIMARY KEY (store_id, customer_id)
);
CREATE INDEX designations_by_since ON designations (store_id, since, customer_id);
CREATE INDEX designations_by_state ON designations (store_id, state, customer_id);
CREATE INDEX designations_by_assignee ON designations (store_id, assigned_to, customer_id);
CREATE INDEX designations_by_due ON designations (due_at, store_id, customer_id);

-- Two rows a link, so that it is found from both sides.
CREATE TABLE customer_links (
    store_id TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    other_id TEXT COLLATE "C" NOT NULL,
    relation TEXT NOT NULL,
    note TEXT,
    linked_at BIGINT NOT NULL,
    PRIMARY KEY (store_id, customer_id, other_id)
);

-- The audit log: what was and what became of it, and apart from that the
-- notes, which erasure deletes.
ALTER TABLE audit_entries RENAME COLUMN detail TO values_after;
ALTER TABLE audit_entries ADD COLUMN values_before TEXT NOT NULL DEFAULT '{}';
CREATE INDEX audit_entries_by_time ON audit_entries (store_id, recorded_at, entry_id);
CREATE INDEX audit_entries_of_customer ON audit_entries (store_id, customer_id, recorded_at, entry_id);
CREATE INDEX audit_entries_of_subject ON audit_entries (store_id, subject, recorded_at, entry_id);
CREATE INDEX audit_entries_of_action ON audit_entries (store_id, action, recorded_at, entry_id);

CREATE TABLE audit_notes (
    store_id TEXT COLLATE "C" NOT NULL,
    entry_id TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C",
    note TEXT NOT NULL,
    PRIMARY KEY (store_id, entry_id)
);
CREATE INDEX audit_notes_of_customer ON audit_notes (store_id, customer_id);
-- Reasons were kept among the values before there were notes.
INSERT INTO audit_notes (store_id, entry_id, customer_id, note)
    SELECT e.store_id, e.entry_id, e.customer_id, e.values_after::json ->> 'reason'
    FROM audit_entries AS e
    JOIN customers AS c ON c.store_id = e.store_id AND c.customer_id = e.customer_id
    WHERE e.action = 'membership_recalculated' AND c.erased_at IS NULL;
UPDATE audit_entries SET values_after = (values_after::jsonb - 'reason')::text
    WHERE action = 'membership_recalculated';

CREATE FUNCTION refuse_change_of_audit_entries() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''audit entries are append-only''; END';
CREATE TRIGGER audit_entries_are_append_only BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_entries();
CREATE TRIGGER audit_entries_are_not_truncated BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit_entries();

-- What happened, for those who poll. An event is written without a number and
-- gets its number once it is committed.
CREATE TABLE events (
    store_id TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    number BIGINT,
    kind TEXT NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    recorded_at BIGINT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (store_id, event_id)
);
CREATE UNIQUE INDEX events_by_number ON events (store_id, number);
CREATE INDEX events_without_number ON events (store_id, event_id) WHERE number IS NULL;
CREATE INDEX events_of_customer ON events (store_id, customer_id, recorded_at, event_id);

CREATE TABLE event_counters (
    store_id TEXT COLLATE "C" NOT NULL,
    last_number BIGINT NOT NULL,
    PRIMARY KEY (store_id)
);
