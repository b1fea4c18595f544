//! The walls between the modules, read off their `use crate::` lines.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    assert!(!found.is_empty());
    found
}

/// Every file of a module names only these modules, and none of these words.
fn holds(module: &str, may_use: &[&str], never: &[&str]) {
    for path in sources(module) {
        let text = fs::read_to_string(&path).unwrap();
        for place in text.split("crate::").skip(1) {
            let used = place.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            assert!(
                used == module || may_use.contains(&used),
                "{} uses crate::{used}, which {module} may not",
                path.display()
            );
        }
        for word in never {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn the_domain_uses_nothing_of_ours_and_knows_no_clock_storage_or_wire() {
    let never = [
        "diesel::",
        "actix_",
        "serde",
        "utoipa::",
        "Utc::now",
        "Instant::now",
        "std::fs",
        "std::env",
    ];
    holds("domain", &[], &never);
}

#[test]
fn the_database_uses_the_domain_alone() {
    holds("db", &["domain"], &["actix_", "utoipa::"]);
}

#[test]
fn workflows_use_the_domain_and_the_database() {
    holds("workflow", &["domain", "db"], &["diesel::", "actix_", "utoipa::"]);
}

#[test]
fn the_api_knows_no_diesel() {
    holds("api", &["domain", "db", "workflow"], &["diesel::"]);
}

/// The document that is checked in is what the code says; said here too, so
/// that the test command alone finds out.
#[test]
fn the_openapi_document_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/openapi.json");
    let stored = fs::read_to_string(path).unwrap();
    let current = accolade::api::document().to_pretty_json().unwrap();
    assert!(stored.trim() == current.trim(), "cargo run -- openapi > openapi/openapi.json");
}

#[test]
fn no_crate_wants_a_newer_compiler_than_cargo_toml_says() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--all-features", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let version =
        |text: &str| -> Vec<u32> { text.split('.').map(|n| n.parse().unwrap()).collect() };
    let ours = version(env!("CARGO_PKG_RUST_VERSION"));
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    for package in packages {
        let Some(wanted) = package["rust_version"].as_str() else { continue };
        let wanted = version(wanted);
        assert!(wanted[..2] <= ours[..2], "{} wants {wanted:?}", package["name"]);
    }
}
