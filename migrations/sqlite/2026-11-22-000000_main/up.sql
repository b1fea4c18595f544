-- Instants are microseconds since 1970-01-01T00:00:00Z, amounts are minor units
-- of the program's currency, and text that is compared or sorted is compared by
-- its bytes, so that both databases agree. Every key begins with the store.

CREATE TABLE programs (
    store_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (store_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE program_revisions (
    store_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    effective_from INTEGER NOT NULL,
    rules TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    recorded_by TEXT NOT NULL,
    superseded_by INTEGER,
    PRIMARY KEY (store_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE customers (
    store_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    name TEXT,
    email TEXT,
    joined_at INTEGER,
    birthday TEXT,
    preferred_channel TEXT,
    tags TEXT NOT NULL,
    subscription_amount INTEGER,
    subscription_state TEXT,
    subscription_cancelled_at INTEGER,
    print_vip_icon INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    erased_at INTEGER,
    sort_name TEXT NOT NULL,
    search_text TEXT NOT NULL,
    PRIMARY KEY (store_id, customer_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX customers_by_name ON customers (store_id, sort_name, customer_id);
CREATE INDEX customers_by_subscription ON customers (store_id, subscription_state, customer_id);

CREATE TABLE customer_tags (
    store_id TEXT NOT NULL,
    tag TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    PRIMARY KEY (store_id, tag, customer_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX customer_tags_by_customer ON customer_tags (store_id, customer_id);

-- One row a customer: what the fold over the customer's facts has come to.
CREATE TABLE memberships (
    store_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    program_version INTEGER NOT NULL,
    through_at INTEGER,
    through_kind INTEGER,
    through_id TEXT,
    first_fact_at INTEGER,
    enrolled_at INTEGER,
    first_tier_at INTEGER,
    -- When the customer joined, stated or found.
    joined_at INTEGER NOT NULL,
    -- The newest completed order; the lowest number where there is none, which sorts first on both databases.
    last_order_at INTEGER NOT NULL,
    folded_tier TEXT,
    folded_tier_since INTEGER,
    period_start INTEGER,
    period_end INTEGER,
    progress_amount INTEGER NOT NULL,
    progress_orders INTEGER NOT NULL,
    progress_points INTEGER NOT NULL,
    lifetime_amount INTEGER NOT NULL,
    lifetime_orders INTEGER NOT NULL,
    lifetime_points INTEGER NOT NULL,
    reached_top INTEGER NOT NULL,
    fell_at INTEGER,
    achievements TEXT NOT NULL,
    -- The tier to list the customer by, and when time alone may change it.
    tier TEXT,
    due_at INTEGER,
    PRIMARY KEY (store_id, customer_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_by_tier ON memberships (store_id, tier, customer_id);
CREATE INDEX memberships_by_lifetime ON memberships (store_id, lifetime_amount, customer_id);
CREATE INDEX memberships_by_last_order ON memberships (store_id, last_order_at, customer_id);
CREATE INDEX memberships_by_joining ON memberships (store_id, joined_at, customer_id);
CREATE INDEX memberships_by_newest_fact ON memberships (store_id, through_at);
CREATE INDEX memberships_by_due ON memberships (due_at, store_id, customer_id);

CREATE TABLE orders (
    store_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    status TEXT NOT NULL,
    total INTEGER NOT NULL,
    refunded INTEGER NOT NULL,
    placed_at INTEGER NOT NULL,
    completed_at INTEGER,
    updated_at INTEGER,
    PRIMARY KEY (store_id, order_id)
) STRICT, WITHOUT ROWID;
-- Covers what the fold reads of orders.
CREATE INDEX orders_of_customer_by_completion ON orders (store_id, customer_id, completed_at, placed_at, total, order_id);
CREATE INDEX orders_of_customer ON orders (store_id, customer_id, placed_at, order_id);
CREATE INDEX orders_by_placing ON orders (store_id, placed_at, order_id);
CREATE INDEX orders_by_status ON orders (store_id, status, placed_at, order_id);

CREATE TABLE refunds (
    store_id TEXT NOT NULL,
    refund_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    amount INTEGER NOT NULL,
    refunded_at INTEGER NOT NULL,
    PRIMARY KEY (store_id, refund_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX refunds_of_customer ON refunds (store_id, customer_id, refunded_at, refund_id);
CREATE INDEX refunds_of_order ON refunds (store_id, order_id);

CREATE TABLE activities (
    store_id TEXT NOT NULL,
    activity_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    points INTEGER,
    updated_at INTEGER,
    PRIMARY KEY (store_id, activity_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX activities_of_customer ON activities (store_id, customer_id, occurred_at, activity_id);

-- Recalculations of a whole store; `leased_until` is the claim of the instance that works on one.
CREATE TABLE recalculations (
    store_id TEXT NOT NULL,
    recalculation_id TEXT NOT NULL,
    program_version INTEGER NOT NULL,
    program TEXT NOT NULL,
    refold_from INTEGER,
    is_dry_run INTEGER NOT NULL,
    allow_downgrades INTEGER NOT NULL,
    state TEXT NOT NULL,
    failure TEXT,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    leased_until INTEGER NOT NULL,
    done_through TEXT,
    customers_total INTEGER NOT NULL,
    customers_done INTEGER NOT NULL,
    customers_changed INTEGER NOT NULL,
    customers_upgraded INTEGER NOT NULL,
    customers_downgraded INTEGER NOT NULL,
    PRIMARY KEY (store_id, recalculation_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX recalculations_by_state ON recalculations (state, leased_until);

-- Append-only: who changed what. Never personal text.
CREATE TABLE audit_entries (
    store_id TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    subject TEXT NOT NULL,
    role TEXT NOT NULL,
    action TEXT NOT NULL,
    customer_id TEXT,
    detail TEXT NOT NULL,
    PRIMARY KEY (store_id, entry_id)
) STRICT, WITHOUT ROWID;
