//! The parsers of what comes from outside: each promise of `properties` is held
//! to the seeds of `fuzz/`, and to some thousands of texts that differ from a
//! seed in a few places. `.ci/fuzz` looks further, with the same promises.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test that can't go on has failed"
)]

mod properties;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use std::path::Path;

/// What parsers stumble over, besides the words of the seeds.
const ODD: &str = "\0\n\r\t \"\\',;:.-+=%{}[]@\u{feff}\u{85}é";

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let files = std::fs::read_dir(&folder).expect("every target has seeds");
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        std::fs::read(file.expect("a file").path()).expect("a file")
    };
    let mut seeds: Vec<Vec<u8>> = files.map(read).collect();
    seeds.sort();
    seeds
}

/// The words of the seeds, and what is odd.
fn pieces(seeds: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(byte);
    let words = seeds.iter().flat_map(|seed| seed.split(move |byte| !is_part(byte)));
    let odd = ODD.chars().map(|odd| odd.to_string().into_bytes());
    words.map(<[u8]>::to_vec).chain(odd).collect()
}

fn try_out(target: &str) {
    let (_, holds) = properties::TARGETS.iter().find(|(name, _)| *name == target).expect("known");
    let seeds = seeds(target);
    for seed in &seeds {
        holds(seed);
    }
    let piece = prop_oneof![
        4 => select(pieces(&seeds)),
        1 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    // Of a seed, some stretches are replaced: by nothing, a word, or anything.
    let change = (any::<Index>(), 0..12_usize, piece);
    let text =
        (select(seeds), prop::collection::vec(change, 1..6)).prop_map(|(mut text, changes)| {
            for (at, cut, piece) in changes {
                let at = at.index(text.len() + 1);
                text.splice(at..text.len().min(at + cut), piece);
            }
            text
        });
    let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&text, |text| {
        holds(&text);
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}

macro_rules! targets {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            try_out(stringify!($target));
        })*

        #[test]
        fn every_target_is_tried_and_has_seeds() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
            let entries = std::fs::read_dir(folder).expect("seeds");
            let mut folders: Vec<_> =
                entries.map(|entry| entry.expect("a folder").file_name()).collect();
            folders.sort();
            let tried = [$(stringify!($target)),*];
            assert_eq!(tried, properties::TARGETS.map(|(name, _)| name));
            assert_eq!(folders, tried);
        }
    };
}

targets! { cells csv cursor headers ids instants money ndjson rule tokens }
