pub mod domain;
pub mod db;
