//! Rules of qualification, and what they found, as JSON: the rules are part of
//! the program's document, findings are part of a nomination.

use super::{Error, Result, stored_word};
use crate::domain::designation::{Grant, Priority, Profile};
use crate::domain::id::{BenefitCode, RuleCode, TierCode};
use crate::domain::qualification::metric::{Metric, Name};
use crate::domain::qualification::{Bound, Condition, Finding, Qualification, Rule};
use crate::domain::words::word;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Serialize, Deserialize)]
pub(super) struct QualificationDoc {
    rules: Vec<RuleDoc>,
    is_automatic: bool,
}

#[derive(Serialize, Deserialize)]
struct RuleDoc {
    code: String,
    name: String,
    profile: String,
    conditions: Vec<ConditionDoc>,
    tier: Option<String>,
    benefits: Vec<String>,
    priority: Option<String>,
    assigned_to: Option<String>,
    requires_approval: bool,
    enabled: bool,
    version: i64,
}

#[derive(Serialize, Deserialize)]
struct ConditionDoc {
    metric: String,
    window_days: Option<u32>,
    tag: Option<String>,
    at_least: Option<i64>,
    at_most: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct FindingDoc {
    #[serde(flatten)]
    condition: ConditionDoc,
    found: Option<i64>,
}

fn corrupt(what: &str) -> Error {
    Error::Corrupt(format!("a rule's {what}"))
}

impl Default for QualificationDoc {
    fn default() -> Self {
        Self::from(&Qualification::default())
    }
}

impl From<&Condition> for ConditionDoc {
    fn from(condition: &Condition) -> Self {
        let (at_least, at_most) = match condition.bound {
            Bound::AtLeast(value) => (Some(value), None),
            Bound::AtMost(value) => (None, Some(value)),
        };
        Self {
            metric: word(&Name::WORDS, &condition.metric.name()).to_owned(),
            window_days: condition.metric.window_days(),
            tag: condition.metric.tag().map(str::to_owned),
            at_least,
            at_most,
        }
    }
}

impl TryFrom<ConditionDoc> for Condition {
    type Error = Error;

    fn try_from(doc: ConditionDoc) -> Result<Self> {
        let name = stored_word(&Name::WORDS, &doc.metric)?;
        let bound = match (doc.at_least, doc.at_most) {
            (Some(value), None) => Bound::AtLeast(value),
            (None, Some(value)) => Bound::AtMost(value),
            _ => return Err(corrupt("bound")),
        };
        let metric = Metric::new(name, doc.window_days, doc.tag).map_err(|_| corrupt("metric"))?;
        Ok(Self { metric, bound })
    }
}

impl From<&Rule> for RuleDoc {
    fn from(rule: &Rule) -> Self {
        Self {
            code: rule.code.to_string(),
            name: rule.name.clone(),
            profile: word(&Profile::WORDS, &rule.profile).to_owned(),
            conditions: rule.conditions.iter().map(ConditionDoc::from).collect(),
            tier: rule.grant.tier.as_ref().map(ToString::to_string),
            benefits: rule.grant.benefits.iter().map(ToString::to_string).collect(),
            priority: rule.grant.priority.map(|p| word(&Priority::WORDS, &p).to_owned()),
            assigned_to: rule.grant.assigned_to.clone(),
            requires_approval: rule.requires_approval,
            enabled: rule.is_enabled,
            version: rule.version,
        }
    }
}

/// What the rules say, each in a field of its own: for the audit log.
///
/// # Errors
/// [`Error::Failed`] where it can't be written as JSON.
pub(super) fn fields(qualification: &Qualification) -> Result<Vec<(String, Value)>> {
    let mut fields =
        vec![("automatic_qualification".to_owned(), qualification.is_automatic.into())];
    for rule in qualification.rules.values() {
        let doc = serde_json::to_value(RuleDoc::from(rule));
        let doc = doc.map_err(|error| Error::Failed(error.to_string()))?;
        fields.push((format!("rule.{}", rule.code), doc));
    }
    Ok(fields)
}

impl From<&Qualification> for QualificationDoc {
    fn from(qualification: &Qualification) -> Self {
        Self {
            rules: qualification.rules.values().map(RuleDoc::from).collect(),
            is_automatic: qualification.is_automatic,
        }
    }
}

impl TryFrom<QualificationDoc> for Qualification {
    type Error = Error;

    fn try_from(doc: QualificationDoc) -> Result<Self> {
        let rule = |doc: RuleDoc| {
            let code = RuleCode::parse(&doc.code).map_err(|_| corrupt("code"))?;
            let tier = doc.tier.as_deref().map(TierCode::parse).transpose();
            let benefits = doc.benefits.iter().map(|code| BenefitCode::parse(code));
            let priority = doc.priority.as_deref().map(|p| stored_word(&Priority::WORDS, p));
            let rule = Rule {
                code: code.clone(),
                name: doc.name,
                profile: stored_word(&Profile::WORDS, &doc.profile)?,
                conditions: doc
                    .conditions
                    .into_iter()
                    .map(Condition::try_from)
                    .collect::<Result<_>>()?,
                grant: Grant {
                    tier: tier.map_err(|_| corrupt("tier"))?,
                    benefits: benefits
                        .collect::<std::result::Result<_, _>>()
                        .map_err(|_| corrupt("benefit"))?,
                    priority: priority.transpose()?,
                    assigned_to: doc.assigned_to,
                    profile: None,
                },
                requires_approval: doc.requires_approval,
                is_enabled: doc.enabled,
                version: doc.version,
            };
            Ok((code, rule))
        };
        Ok(Self {
            rules: doc.rules.into_iter().map(rule).collect::<Result<_>>()?,
            is_automatic: doc.is_automatic,
        })
    }
}

/// Findings as they are stored.
///
/// # Errors
/// [`Error::Failed`] where they can't be written as JSON.
pub fn findings_json(findings: &[Finding]) -> Result<String> {
    let docs: Vec<FindingDoc> = findings
        .iter()
        .map(|f| FindingDoc { condition: ConditionDoc::from(&f.condition), found: f.found })
        .collect();
    serde_json::to_string(&docs).map_err(|error| Error::Failed(error.to_string()))
}

/// The findings that were stored.
///
/// # Errors
/// [`Error::Corrupt`] for any other text.
pub fn parse_findings(json: &str) -> Result<Vec<Finding>> {
    let docs: Vec<FindingDoc> =
        serde_json::from_str(json).map_err(|error| Error::Corrupt(error.to_string()))?;
    docs.into_iter()
        .map(|doc| Ok(Finding { found: doc.found, condition: Condition::try_from(doc.condition)? }))
        .collect()
}
