//! libFuzzer, and the target that `FUZZ_TARGET` names: one binary for all of
//! them, because linking it takes longer than compiling it.
#![no_main]

#[path = "../../tests/parsers/properties/mod.rs"]
mod properties;

use properties::{TARGETS, Target};
use std::sync::OnceLock;

static TARGET: OnceLock<Target> = OnceLock::new();

fn named() -> Target {
    let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(name, _)| *name == wanted);
    let names = || TARGETS.map(|(name, _)| name).join(", ");
    found.unwrap_or_else(|| panic!("FUZZ_TARGET is one of {}", names())).1
}

libfuzzer_sys::fuzz_target!(init: { TARGET.get_or_init(named); }, |data: &[u8]| {
    TARGET.get_or_init(named)(data);
});
