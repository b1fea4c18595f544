-- Points that an event earns: `points` is 0 then, and the way to earn says how many.
ALTER TABLE activities ADD COLUMN way_to_earn TEXT;

-- Whether store credit and points expire, as the document says.
ALTER TABLE programs ADD COLUMN has_expiry INTEGER NOT NULL DEFAULT 0;

-- How the tier came about by the fold alone, in order.
ALTER TABLE memberships ADD COLUMN tier_changes TEXT NOT NULL DEFAULT '[]';

-- By what terms an order or a points activity earns, fixed when it was first
-- processed, and what that has come to so far. `tier` is null for who held
-- none; `rate` or `fixed` is the tier's reward.
CREATE TABLE earnings (
    store_id TEXT NOT NULL,
    source TEXT NOT NULL,
    source_id TEXT NOT NULL,
    tier TEXT,
    rate TEXT,
    fixed INTEGER,
    points_rate TEXT NOT NULL,
    credit INTEGER NOT NULL,
    points INTEGER NOT NULL,
    PRIMARY KEY (store_id, source, source_id)
) STRICT, WITHOUT ROWID;

-- Store credit and points, entry by entry; never rewritten. What erasure
-- clears: `note`.
CREATE TABLE ledger_entries (
    store_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    cause TEXT NOT NULL,
    credit INTEGER NOT NULL,
    points INTEGER NOT NULL,
    credit_balance INTEGER NOT NULL,
    points_balance INTEGER NOT NULL,
    tier TEXT,
    rate TEXT,
    fixed INTEGER,
    points_rate TEXT,
    order_id TEXT,
    refund_id TEXT,
    activity_id TEXT,
    occurred_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    operator TEXT,
    note TEXT,
    PRIMARY KEY (store_id, customer_id, number)
) STRICT, WITHOUT ROWID;
-- Covers what was earned and spent in a span of time.
CREATE INDEX ledger_entries_by_time ON ledger_entries (store_id, occurred_at, kind, tier, credit, points);

-- What each customer has: the balances after the newest entry. `active_at` is
-- when something was last earned, redeemed or adjusted.
CREATE TABLE accounts (
    store_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    credit INTEGER NOT NULL,
    points INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    active_at INTEGER NOT NULL,
    PRIMARY KEY (store_id, customer_id)
) STRICT, WITHOUT ROWID;
-- Who has something that may expire.
CREATE INDEX accounts_by_activity ON accounts (store_id, active_at, customer_id) WHERE credit > 0 OR points > 0;
