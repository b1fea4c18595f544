-- Answers to requests with an `Idempotency-Key`, kept for 24 hours and stored
-- with what was done. `customer_id` is whom it concerns: erasing the customer
-- deletes the row. `fingerprint` says which request it was.
CREATE TABLE kept_answers (
    store_id TEXT COLLATE "C" NOT NULL,
    operation TEXT COLLATE "C" NOT NULL,
    idempotency_key TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C",
    kept_at BIGINT NOT NULL,
    status BIGINT NOT NULL,
    etag TEXT COLLATE "C",
    body TEXT NOT NULL,
    PRIMARY KEY (store_id, operation, idempotency_key)
);
-- What was kept about somebody.
CREATE INDEX kept_answers_by_customer ON kept_answers (store_id, customer_id) WHERE customer_id IS NOT NULL;
-- What is old enough to be forgotten, in all stores.
CREATE INDEX kept_answers_by_age ON kept_answers (kept_at);
