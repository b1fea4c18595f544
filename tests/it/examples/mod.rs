//! Worked examples with figures, by what they are about.

mod customer_status_badges;
mod five_vip_profiles;
mod permanent_tier_program;
mod program_settings;
mod rewards_by_tier;
mod vip_status_page;
