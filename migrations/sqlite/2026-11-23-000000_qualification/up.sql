-- Signals: activities that are not points, each kind with columns of its own.
ALTER TABLE activities ADD COLUMN referred_id TEXT;
ALTER TABLE activities ADD COLUMN score INTEGER;
ALTER TABLE activities ADD COLUMN channel TEXT;
ALTER TABLE activities ADD COLUMN is_public INTEGER;
ALTER TABLE activities ADD COLUMN resolved_at INTEGER;
ALTER TABLE activities ADD COLUMN agent TEXT;
ALTER TABLE activities ADD COLUMN note TEXT;
ALTER TABLE activities ADD COLUMN follow_up_on TEXT;
-- Covers what customers say, in the order of the customers.
CREATE INDEX activities_by_kind ON activities (store_id, kind, customer_id, occurred_at, score, is_public, resolved_at);
CREATE INDEX activities_by_resolution ON activities (store_id, kind, resolved_at, occurred_at, activity_id);
-- Covers who referred whom.
CREATE INDEX activities_by_referred ON activities (store_id, referred_id, occurred_at, activity_id, customer_id) WHERE referred_id IS NOT NULL;
CREATE INDEX activities_by_follow_up ON activities (store_id, follow_up_on, activity_id) WHERE follow_up_on IS NOT NULL;

-- How often a subscription was cancelled.
ALTER TABLE customers ADD COLUMN cancellations INTEGER NOT NULL DEFAULT 0;
UPDATE customers SET cancellations = 1 WHERE subscription_state = 'cancelled';

-- Who was erased, who are few: counted, and left out, without reading everybody.
CREATE INDEX customers_erased ON customers (store_id, erased_at, customer_id) WHERE erased_at IS NOT NULL;

-- Covers what the fold reads of orders, and what customers spend.
DROP INDEX orders_of_customer_by_completion;
CREATE INDEX orders_of_customer_by_completion ON orders (store_id, customer_id, completed_at, placed_at, total, refunded, order_id);

-- The rule that made a designation or raised it last.
ALTER TABLE designations ADD COLUMN rule_code TEXT;
CREATE INDEX designations_by_rule ON designations (store_id, rule_code, ended_at);

-- The stretches in which customers were VIPs, active or paused; `until_at` is
-- null while one runs.
CREATE TABLE designation_spans (
    store_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    from_at INTEGER NOT NULL,
    until_at INTEGER,
    PRIMARY KEY (store_id, customer_id, from_at)
) STRICT, WITHOUT ROWID;
INSERT INTO designation_spans (store_id, customer_id, from_at, until_at)
    SELECT store_id, customer_id, designated_at, ended_at FROM designations;

-- One row for each customer and rule that is met: since when, and what that
-- has come to under which version of the rule.
CREATE TABLE qualifications (
    store_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    rule_code TEXT NOT NULL,
    met_since INTEGER NOT NULL,
    rule_version INTEGER NOT NULL,
    outcome TEXT,
    PRIMARY KEY (store_id, customer_id, rule_code)
) STRICT, WITHOUT ROWID;

-- Customers who were put forward. What erasure clears: `assigned_to`, `note`,
-- `decision_note` and `findings`.
CREATE TABLE nominations (
    store_id TEXT NOT NULL,
    nomination_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    state TEXT NOT NULL,
    source TEXT NOT NULL,
    rule_code TEXT,
    tier TEXT,
    benefits TEXT NOT NULL,
    profile TEXT,
    priority TEXT,
    assigned_to TEXT,
    findings TEXT NOT NULL,
    note TEXT,
    nominated_at INTEGER NOT NULL,
    nominated_by TEXT,
    decided_at INTEGER,
    decided_by TEXT,
    decision_note TEXT,
    PRIMARY KEY (store_id, nomination_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX nominations_by_time ON nominations (store_id, nominated_at, nomination_id);
CREATE INDEX nominations_by_state ON nominations (store_id, state, nominated_at, nomination_id);
CREATE INDEX nominations_of_customer ON nominations (store_id, customer_id, nominated_at, nomination_id);
-- Whose nomination waits.
CREATE INDEX nominations_waiting ON nominations (store_id, customer_id) WHERE state = 'waiting';
CREATE INDEX nominations_by_rule ON nominations (store_id, rule_code, state) WHERE rule_code IS NOT NULL;

-- The pass over all customers of a store that judges them: each night, and
-- when rules have changed. `done_through` is how far the one under way came,
-- `leased_until` the claim of the instance that works on it.
CREATE TABLE qualification_passes (
    store_id TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    done_through TEXT,
    leased_until INTEGER NOT NULL,
    PRIMARY KEY (store_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX qualification_passes_by_due ON qualification_passes (due_at, store_id);
