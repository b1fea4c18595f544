//! The examples of the product texts that Accolade comes from, with their figures.

mod permanent_tier_program;
mod program_settings;
