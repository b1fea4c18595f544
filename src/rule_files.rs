//! Files of rules, and of the tiers that they grant: loaded all at once or not at all.

use crate::api::auth::Role;
use crate::api::extract::parse;
use crate::api::problem::ApiError;
use crate::api::rules::{RuleIn, put_into};
use crate::api::tiers::{LadderIn, add_missing};
use crate::db::Db;
use crate::db::audit::Actor;
use crate::domain::Instant;
use crate::domain::change::EffectiveFrom;
use crate::domain::id::{RuleCode, StoreId};
use crate::domain::words::word;
use crate::workflow::programs::{Context, Options, change_policies, change_settings};
use crate::workflow::{self, IfMatch, Refusal};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// What was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Rules that are new.
    pub created: usize,
    /// Rules that were known, changed or not.
    pub known: usize,
}

/// Why files are not loaded, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failed(String);

impl From<workflow::Error> for Failed {
    fn from(error: workflow::Error) -> Self {
        Self(ApiError::from(error).reason())
    }
}

impl From<crate::db::Error> for Failed {
    fn from(error: crate::db::Error) -> Self {
        Self(error.to_string())
    }
}

/// Says where something failed.
fn at<E: Into<ApiError>>(place: &str) -> impl FnOnce(E) -> Failed {
    move |error| Failed(format!("{place}: {}", error.into().reason()))
}

/// Something of a file, with the place that it stands at.
struct Part<T> {
    place: String,
    value: T,
}

/// Loads files into a store that is set up: tiers that the ladder lacks are
/// added, and rules are put under their codes.
///
/// # Errors
/// [`Failed`] says what can't be loaded; nothing is then stored.
pub async fn load(
    db: &Db,
    store: &StoreId,
    files: &[PathBuf],
    now: Instant,
) -> Result<Loaded, Failed> {
    let (mut ladders, mut rules) = (Vec::new(), Vec::new());
    for file in files {
        read(file, &mut ladders, &mut rules)?;
    }
    let role = word(&Role::WORDS, &Role::PlatformAdmin);
    let actor = Actor { subject: "cli".to_owned(), role };
    let context = |action| Context { store: store.clone(), actor: actor.clone(), action, now };
    let (of_tiers, of_rules) = (context("tiers_changed"), context("rule_changed"));
    db.write(move |tx| {
        let options =
            Options { effective_from: EffectiveFrom::Now, allow_downgrades: false, dry_run: false };
        for Part { place, value: ladder } in ladders {
            change_settings(tx, &of_tiers, options, &IfMatch::Absent, |current| {
                let program =
                    current.program.ok_or(workflow::Error::from(Refusal::StoreNotSetUp))?;
                add_missing(program, &ladder, now)
            })
            .map_err(at(&place))?;
        }
        let mut loaded = Loaded::default();
        change_policies(tx, &of_rules, &IfMatch::Absent, |_, program, policies| {
            for Part { place, value: (code, rule) } in rules {
                let is_new = put_into(policies, program, code, rule).map_err(at(&place))?;
                let count = if is_new { &mut loaded.created } else { &mut loaded.known };
                *count = count.saturating_add(1);
            }
            Ok::<_, Failed>(())
        })?;
        Ok(loaded)
    })
    .await
}

/// Reads a file: `{"tiers": [a tier as in PUT /v1/tiers, …], "rules": {CODE: a
/// rule as in PUT /v1/rules/CODE, …}}`.
fn read(
    file: &Path,
    ladders: &mut Vec<Part<LadderIn>>,
    rules: &mut Vec<Part<(RuleCode, RuleIn)>>,
) -> Result<(), Failed> {
    let name = file.display().to_string();
    let failed = |what: &str| Failed(format!("{name}: {what}"));
    let text = std::fs::read_to_string(file).map_err(|error| failed(&error.to_string()))?;
    let mut parts: Map<String, Value> =
        serde_json::from_str(&text).map_err(|error| failed(&error.to_string()))?;
    if let Some(tiers) = parts.remove("tiers") {
        let value = parse(json!({"tiers": tiers}), "").map_err(at(&name))?;
        ladders.push(Part { place: name.clone(), value });
    }
    match parts.remove("rules") {
        Some(Value::Object(of_file)) => {
            for (code, rule) in of_file {
                let place = format!("{name}: rule {code}");
                let code = RuleCode::parse(&code)
                    .map_err(|error| Failed(format!("{place}: the code {error}")))?;
                let rule = parse(rule, "").map_err(at(&place))?;
                rules.push(Part { place, value: (code, rule) });
            }
        }
        Some(_) => return Err(failed("rules must be an object of rules by their codes")),
        None => {}
    }
    match parts.keys().next() {
        Some(other) => Err(failed(&format!("{other} is neither tiers nor rules"))),
        None => Ok(()),
    }
}
