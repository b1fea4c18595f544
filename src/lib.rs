//! Accolade: VIP status for shops. See `ARCHITECTURE.md` for the map.

pub mod api;
pub mod app;
pub mod config;
pub mod db;
pub mod demo;
pub mod domain;
pub mod import;
pub mod workflow;
