DROP TABLE accounts;
DROP TABLE ledger_entries;
DROP TABLE earnings;
ALTER TABLE programs DROP COLUMN has_expiry;
ALTER TABLE memberships DROP COLUMN tier_changes;
ALTER TABLE activities DROP COLUMN way_to_earn;
