//! One binary for all integration tests, because linking it once is much
//! faster than linking each file. Every test that asks the service runs on
//! both databases.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

#[macro_use]
mod support;

mod architecture;
mod command_line;
mod command_line_rules;
mod contract;
mod convergence;
mod erasure;
mod event_feed;
mod examples;
mod injected_fields;
mod ledger_convergence;
mod limits;
mod lost_updates;
mod one_look_up;
mod operation;
mod operation_of_processes;
mod paging_under_change;
mod qualification_pass;
mod real_year;
mod real_year_ledger;
mod real_year_rules;
mod reports_at_scale;
mod role_matrix;
mod rounding;
mod routes;
mod rules_convergence;
mod scenarios;
mod storage;
mod tenants;
mod tokens;
mod upgrade;
