//! Accolade: VIP status for shops. See `ARCHITECTURE.md` for the map.
#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "sums are checked")
)]

pub mod api;
pub mod app;
pub mod config;
pub mod db;
pub mod demo;
pub mod domain;
pub mod import;
pub mod rule_files;
pub mod workflow;
