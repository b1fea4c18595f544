pub mod domain;
pub mod db;
pub mod workflow;
