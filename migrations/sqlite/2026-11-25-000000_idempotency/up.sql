-- Answers to requests with an `Idempotency-Key`, kept for 24 hours and stored
-- with what was done. `customer_id` is whom it concerns: erasing the customer
-- deletes the row. `fingerprint` says which request it was.
CREATE TABLE kept_answers (
    store_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    customer_id TEXT,
    kept_at INTEGER NOT NULL,
    status INTEGER NOT NULL,
    etag TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (store_id, operation, idempotency_key)
) STRICT, WITHOUT ROWID;
-- What was kept about somebody.
CREATE INDEX kept_answers_by_customer ON kept_answers (store_id, customer_id) WHERE customer_id IS NOT NULL;
-- What is old enough to be forgotten, in all stores.
CREATE INDEX kept_answers_by_age ON kept_answers (kept_at);
