-- Points that an event earns: `points` is 0 then, and the way to earn says how many.
ALTER TABLE activities ADD COLUMN way_to_earn TEXT COLLATE "C";

-- Whether store credit and points expire, as the document says.
ALTER TABLE programs ADD COLUMN has_expiry BOOLEAN NOT NULL DEFAULT FALSE;

-- How the tier came about by the fold alone, in order.
ALTER TABLE memberships ADD COLUMN tier_changes TEXT NOT NULL DEFAULT '[]';

-- By what terms an order or a points activity earns, fixed when it was first
-- processed, and what that has come to so far. `tier` is null for who held
-- none; `rate` or `fixed` is the tier's reward.
CREATE TABLE earnings (
    store_id TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    source_id TEXT COLLATE "C" NOT NULL,
    tier TEXT COLLATE "C",
    rate TEXT,
    fixed BIGINT,
    points_rate TEXT NOT NULL,
    credit BIGINT NOT NULL,
    points BIGINT NOT NULL,
    PRIMARY KEY (store_id, source, source_id)
);

-- Store credit and points, entry by entry; never rewritten. What erasure
-- clears: `note`.
CREATE TABLE ledger_entries (
    store_id TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    cause TEXT COLLATE "C" NOT NULL,
    credit BIGINT NOT NULL,
    points BIGINT NOT NULL,
    credit_balance BIGINT NOT NULL,
    points_balance BIGINT NOT NULL,
    tier TEXT COLLATE "C",
    rate TEXT,
    fixed BIGINT,
    points_rate TEXT,
    order_id TEXT COLLATE "C",
    refund_id TEXT COLLATE "C",
    activity_id TEXT COLLATE "C",
    occurred_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    operator TEXT COLLATE "C",
    note TEXT,
    PRIMARY KEY (store_id, customer_id, number)
);
-- Covers what was earned and spent in a span of time.
CREATE INDEX ledger_entries_by_time ON ledger_entries (store_id, occurred_at, kind, tier, credit, points);

-- What each customer has: the balances after the newest entry. `active_at` is
-- when something was last earned, redeemed or adjusted.
CREATE TABLE accounts (
    store_id TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    credit BIGINT NOT NULL,
    points BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    active_at BIGINT NOT NULL,
    PRIMARY KEY (store_id, customer_id)
);
-- Who has something that may expire.
CREATE INDEX accounts_by_activity ON accounts (store_id, active_at, customer_id) WHERE credit > 0 OR points > 0;
