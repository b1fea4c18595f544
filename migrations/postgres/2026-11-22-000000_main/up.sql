-- Instants are microseconds since 1970-01-01T00:00:00Z, amounts are minor units
-- of the program's currency, and text that is compared or sorted is compared by
-- its bytes, so that both databases agree. Every key begins with the store.

CREATE TABLE programs (
    store_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    document TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (store_id)
);

CREATE TABLE program_revisions (
    store_id TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    effective_from BIGINT NOT NULL,
    rules TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    recorded_by TEXT NOT NULL,
    superseded_by BIGINT,
    PRIMARY KEY (store_id, number)
);

CREATE TABLE customers (
    store_id TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    name TEXT,
    email TEXT,
    joined_at BIGINT,
    birthday TEXT,
    preferred_channel TEXT,
    tags TEXT NOT NULL,
    subscription_amount BIGINT,
    subscription_state TEXT,
    subscription_cancelled_at BIGINT,
    print_vip_icon BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    erased_at BIGINT,
    sort_name TEXT COLLATE "C" NOT NULL,
    search_text TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (store_id, customer_id)
);
CREATE INDEX customers_by_name ON customers (store_id, sort_name, customer_id);
CREATE INDEX customers_by_subscription ON customers (store_id, subscription_state, customer_id);

CREATE TABLE customer_tags (
    store_id TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (store_id, tag, customer_id)
);
CREATE INDEX customer_tags_by_customer ON customer_tags (store_id, customer_id);

-- One row a customer: what the fold over the customer's facts has come to.
CREATE TABLE memberships (
    store_id TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    program_version BIGINT NOT NULL,
    through_at BIGINT,
    through_kind INTEGER,
    through_id TEXT,
    first_fact_at BIGINT,
    enrolled_at BIGINT,
    first_tier_at BIGINT,
    -- When the customer joined, stated or found.
    joined_at BIGINT NOT NULL,
    -- The newest completed order; the lowest number where there is none, which sorts first on both databases.
    last_order_at BIGINT NOT NULL,
    folded_tier TEXT,
    folded_tier_since BIGINT,
    period_start BIGINT,
    period_end BIGINT,
    progress_amount BIGINT NOT NULL,
    progress_orders BIGINT NOT NULL,
    progress_points BIGINT NOT NULL,
    lifetime_amount BIGINT NOT NULL,
    lifetime_orders BIGINT NOT NULL,
    lifetime_points BIGINT NOT NULL,
    reached_top BOOLEAN NOT NULL,
    fell_at BIGINT,
    achievements TEXT NOT NULL,
    -- The tier to list the customer by, and when time alone may change it.
    tier TEXT COLLATE "C",
    due_at BIGINT,
    PRIMARY KEY (store_id, customer_id)
);
CREATE INDEX memberships_by_tier ON memberships (store_id, tier, customer_id);
CREATE INDEX memberships_by_lifetime ON memberships (store_id, lifetime_amount, customer_id);
CREATE INDEX memberships_by_last_order ON memberships (store_id, last_order_at, customer_id);
CREATE INDEX memberships_by_joining ON memberships (store_id, joined_at, customer_id);
CREATE INDEX memberships_by_newest_fact ON memberships (store_id, through_at);
CREATE INDEX memberships_by_due ON memberships (due_at, store_id, customer_id);

CREATE TABLE orders (
    store_id TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    status TEXT NOT NULL,
    total BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    placed_at BIGINT NOT NULL,
    completed_at BIGINT,
    updated_at BIGINT,
    PRIMARY KEY (store_id, order_id)
);
-- Covers what the fold reads of orders.
CREATE INDEX orders_of_customer_by_completion ON orders (store_id, customer_id, completed_at, placed_at, total, order_id);
CREATE INDEX orders_of_customer ON orders (store_id, customer_id, placed_at, order_id);
CREATE INDEX orders_by_placing ON orders (store_id, placed_at, order_id);
CREATE INDEX orders_by_status ON orders (store_id, status, placed_at, order_id);

CREATE TABLE refunds (
    store_id TEXT COLLATE "C" NOT NULL,
    refund_id TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    amount BIGINT NOT NULL,
    refunded_at BIGINT NOT NULL,
    PRIMARY KEY (store_id, refund_id)
);
CREATE INDEX refunds_of_customer ON refunds (store_id, customer_id, refunded_at, refund_id);
CREATE INDEX refunds_of_order ON refunds (store_id, order_id);

CREATE TABLE activities (
    store_id TEXT COLLATE "C" NOT NULL,
    activity_id TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    kind TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    points BIGINT,
    updated_at BIGINT,
    PRIMARY KEY (store_id, activity_id)
);
CREATE INDEX activities_of_customer ON activities (store_id, customer_id, occurred_at, activity_id);

-- Recalculations of a whole store; `leased_until` is the claim of the instance that works on one.
CREATE TABLE recalculations (
    store_id TEXT COLLATE "C" NOT NULL,
    recalculation_id TEXT COLLATE "C" NOT NULL,
    program_version BIGINT NOT NULL,
    program TEXT NOT NULL,
    refold_from BIGINT,
    is_dry_run BOOLEAN NOT NULL,
    allow_downgrades BOOLEAN NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    failure TEXT,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    leased_until BIGINT NOT NULL,
    done_through TEXT COLLATE "C",
    customers_total BIGINT NOT NULL,
    customers_done BIGINT NOT NULL,
    customers_changed BIGINT NOT NULL,
    customers_upgraded BIGINT NOT NULL,
    customers_downgraded BIGINT NOT NULL,
    PRIMARY KEY (store_id, recalculation_id)
);
CREATE INDEX recalculations_by_state ON recalculations (state, leased_until);

-- Append-only: who changed what. Never personal text.
CREATE TABLE audit_entries (
    store_id TEXT COLLATE "C" NOT NULL,
    entry_id TEXT COLLATE "C" NOT NULL,
    recorded_at BIGINT NOT NULL,
    subject TEXT NOT NULL,
    role TEXT NOT NULL,
    action TEXT NOT NULL,
    customer_id TEXT COLLATE "C",
    detail TEXT NOT NULL,
    PRIMARY KEY (store_id, entry_id)
);
