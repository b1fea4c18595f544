//! What a rule that is met does, and does once.

use super::{Qualification, Rule};
use crate::domain::Instant;
use crate::domain::designation::{Designation, Footing, State};
use crate::domain::id::RuleCode;
use crate::domain::nomination::{NotNow, Past};
use std::collections::BTreeMap;

/// What a rule's being met has come to for one customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The customer was designated, or what they had was raised.
    Granted,
    /// The customer was put forward.
    Nominated,
    /// A person declined; put forward again after a while.
    Declined,
    /// The customer had all of it.
    NothingToAdd,
    /// A person had removed the designation, which stands.
    RemovedByPerson,
    /// The designation has ended by itself while the rule was met.
    DesignationEnded,
}

impl Outcome {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("granted", Self::Granted),
        ("nominated", Self::Nominated),
        ("declined", Self::Declined),
        ("nothing_to_add", Self::NothingToAdd),
        ("removed_by_person", Self::RemovedByPerson),
        ("designation_ended", Self::DesignationEnded),
    ];
}

impl Outcome {
    /// Whether there may be more to do while the rule goes on being met: after
    /// a while, or when a person has designated the customer again.
    fn is_open(self) -> bool {
        matches!(self, Self::Declined | Self::RemovedByPerson | Self::DesignationEnded)
    }
}

/// A rule that a customer meets, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Since when the rule is known to be met, without a break.
    pub met_since: Instant,
    /// The rule's version by which it acted last.
    pub rule_version: i64,
    /// What that came to; `None` while it has not acted.
    pub outcome: Option<Outcome>,
}

impl Standing {
    /// A rule that is met from now on.
    pub fn new(rule: &Rule, now: Instant) -> Self {
        Self { met_since: now, rule_version: rule.version, outcome: None }
    }

    /// What the rule, as it is now, has come to.
    pub fn outcome_of(&self, rule: &Rule) -> Option<Outcome> {
        self.outcome.filter(|_| self.rule_version == rule.version)
    }
}

/// What is known of the customer besides the signals.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What a designation stands on.
    pub footing: Footing<'a>,
    /// The designation, if there ever was one.
    pub designation: Option<&'a Designation>,
    /// Earlier nominations by the rule.
    pub past: Past,
    /// The clock.
    pub now: Instant,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Make a VIP of the customer.
    Grant,
    /// Raise what the customer has.
    Raise,
    /// Put the customer forward.
    Nominate,
    /// Nothing: this is what it has come to.
    Settle(Outcome),
}

/// What a rule that is met does. It acts once for each stretch in which it is
/// met, and again when it was changed; a person's removal stands against it.
pub fn decide(rule: &Rule, standing: &Standing, known: &Known<'_>) -> Decision {
    match standing.outcome_of(rule) {
        Some(outcome) if !outcome.is_open() => return Decision::Settle(outcome),
        _ => {}
    }
    let is_live = |d: &&Designation| d.ended.is_none() && d.state(known.now) != State::Cancelled;
    let live = known.designation.filter(is_live);
    if let (Some(ended), None) = (known.designation, live) {
        if ended.is_removed() {
            return Decision::Settle(Outcome::RemovedByPerson);
        }
        if ended.end(known.now).is_some_and(|end| standing.met_since <= end.at) {
            return Decision::Settle(Outcome::DesignationEnded);
        }
    }
    let has_all = |d: &&Designation| !d.lacks(&rule.grant(), &known.footing);
    if live.as_ref().is_some_and(has_all) {
        return Decision::Settle(Outcome::NothingToAdd);
    }
    if rule.requires_approval {
        return match known.past.allows(known.now) {
            Ok(()) => Decision::Nominate,
            Err(NotNow::Waiting) => Decision::Settle(Outcome::Nominated),
            Err(NotNow::DeclinedRecently) => Decision::Settle(Outcome::Declined),
        };
    }
    if live.is_some() { Decision::Raise } else { Decision::Grant }
}

/// Whether what is stored of the rules that a customer meets is all that can be
/// said of them: the same rules are met, and each has acted for good.
pub fn is_settled<'a>(
    qualification: &Qualification,
    met: impl IntoIterator<Item = &'a Rule>,
    standings: &BTreeMap<RuleCode, Standing>,
) -> bool {
    let mut count = 0_usize;
    let is_known = met.into_iter().all(|rule| {
        count = count.saturating_add(1);
        standings.get(&rule.code).is_some_and(|standing| {
            !qualification.is_automatic
                || standing.outcome_of(rule).is_some_and(|outcome| !outcome.is_open())
        })
    });
    is_known && count == standings.len()
}

/// How a rule stands with a customer, for people to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A condition does not hold.
    NotMet,
    /// All hold, but the rule is not in force.
    RuleDisabled,
    /// All hold, but rules don't act in this store.
    AutomaticQualificationOff,
    /// All hold, and the rule has yet to act.
    Pending,
    /// The customer was put forward and waits for approval.
    NominationWaiting,
    /// It has acted, or has found nothing to do.
    Settled(Outcome),
}

impl Shown {
    /// All of them, with the word and the sentence that each goes by.
    pub const WORDS: [(&'static str, &'static str, Self); 10] = [
        ("not_met", "Not all conditions are met.", Self::NotMet),
        ("rule_disabled", "All conditions are met, but the rule is disabled.", Self::RuleDisabled),
        (
            "automatic_qualification_off",
            "All conditions are met, but automatic qualification is off: designate by hand, or have a platform_admin switch automatic_qualification on.",
            Self::AutomaticQualificationOff,
        ),
        (
            "pending",
            "All conditions are met; the rule acts when the customer is judged next, tonight at the latest.",
            Self::Pending,
        ),
        (
            "nomination_waiting",
            "All conditions are met; a manager has yet to approve of the nomination.",
            Self::NominationWaiting,
        ),
        (
            "declined",
            "All conditions are met, but a manager has declined; it is not proposed again for 90 days.",
            Self::Settled(Outcome::Declined),
        ),
        (
            "granted",
            "All conditions are met, and the rule has given what it grants.",
            Self::Settled(Outcome::Granted),
        ),
        (
            "nothing_to_add",
            "All conditions are met, and the customer had all that the rule grants.",
            Self::Settled(Outcome::NothingToAdd),
        ),
        (
            "removed_by_person",
            "All conditions are met, but a person has removed the designation, which stands.",
            Self::Settled(Outcome::RemovedByPerson),
        ),
        (
            "designation_ended",
            "All conditions are met, but the designation has ended by itself since they were; a rule that is met anew makes it again.",
            Self::Settled(Outcome::DesignationEnded),
        ),
    ];

    /// How a rule stands, judged now, with a customer of whom this is stored.
    pub fn of(
        rule: &Rule,
        is_met: bool,
        is_automatic: bool,
        standing: Option<&Standing>,
        designation: Option<&Designation>,
        now: Instant,
    ) -> Self {
        if !is_met {
            return Self::NotMet;
        }
        if !rule.is_enabled {
            return Self::RuleDisabled;
        }
        let gone = designation.filter(|d| d.state(now) == State::Cancelled);
        match standing.and_then(|standing| standing.outcome_of(rule)) {
            Some(_) if gone.is_some_and(Designation::is_removed) => {
                Self::Settled(Outcome::RemovedByPerson)
            }
            Some(Outcome::Granted | Outcome::NothingToAdd) if gone.is_some() => {
                Self::Settled(Outcome::DesignationEnded)
            }
            Some(Outcome::Nominated) => Self::NominationWaiting,
            Some(Outcome::RemovedByPerson | Outcome::DesignationEnded)
                if gone.is_none() && designation.is_some() && is_automatic =>
            {
                Self::Pending
            }
            Some(outcome) => Self::Settled(outcome),
            None if !is_automatic => Self::AutomaticQualificationOff,
            None => Self::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::benefit::Treatment;
    use crate::domain::designation::{End, EndReason, Grant, Priority, Profile};
    use crate::domain::tier::Ladder;

    fn day(d: u32) -> Instant {
        format!("2024-06-{d:02}T00:00:00Z").parse().unwrap()
    }

    fn rule(requires_approval: bool) -> Rule {
        Rule {
            code: RuleCode::parse("partners").unwrap(),
            name: "Partners".into(),
            profile: Profile::Partner,
            conditions: Vec::new(),
            grant: Grant { priority: Some(Priority::High), ..Grant::default() },
            requires_approval,
            is_enabled: true,
            version: 3,
        }
    }

    fn designation() -> Designation {
        Designation {
            tier: None,
            tier_at: day(1),
            is_paused: false,
            since: "2024-06-01".parse().unwrap(),
            benefits: Vec::new(),
            benefits_dropped: Vec::new(),
            profile: None,
            priority: None,
            team: None,
            assigned_to: None,
            ends_at: None,
            grace_until: None,
            is_automatic: false,
            rule: None,
            designated_at: day(1),
            ended: None,
        }
    }

    fn ended(reason: EndReason, at: Instant) -> Designation {
        Designation { ended: Some(End { at, reason }), ..designation() }
    }

    fn decided(
        rule: &Rule,
        standing: &Standing,
        designation: Option<&Designation>,
        past: Past,
    ) -> Decision {
        let (ladder, treatment) = (Ladder::default(), Treatment::default());
        let footing = Footing { ladder: &ladder, treatment: &treatment, reached: None };
        decide(rule, standing, &Known { footing, designation, past, now: day(20) })
    }

    #[test]
    fn a_rule_acts_once_and_again_when_it_was_changed() {
        let rule = rule(false);
        let new = Standing::new(&rule, day(20));
        assert_eq!(decided(&rule, &new, None, Past::default()), Decision::Grant);
        assert_eq!(decided(&rule, &new, Some(&designation()), Past::default()), Decision::Raise);
        let acted = Standing { outcome: Some(Outcome::Granted), ..new };
        let settled = Decision::Settle(Outcome::Granted);
        assert_eq!(decided(&rule, &acted, Some(&designation()), Past::default()), settled);
        let changed = Rule { version: 4, ..rule };
        let again = decided(&changed, &acted, Some(&designation()), Past::default());
        assert_eq!(again, Decision::Raise);
        let has = Designation { priority: Some(Priority::Urgent), ..designation() };
        let nothing = Decision::Settle(Outcome::NothingToAdd);
        assert_eq!(decided(&changed, &acted, Some(&has), Past::default()), nothing);
    }

    #[test]
    fn a_removal_stands_and_what_ended_by_itself_is_made_again_by_who_qualifies_anew() {
        let rule = rule(false);
        let since = |met_since| Standing { met_since, ..Standing::new(&rule, day(20)) };
        let removed = ended(EndReason::Removed, day(5));
        let stands = Decision::Settle(Outcome::RemovedByPerson);
        assert_eq!(decided(&rule, &since(day(10)), Some(&removed), Past::default()), stands);
        let over = ended(EndReason::EndsAt, day(5));
        let ended = Decision::Settle(Outcome::DesignationEnded);
        assert_eq!(decided(&rule, &since(day(5)), Some(&over), Past::default()), ended);
        assert_eq!(decided(&rule, &since(day(6)), Some(&over), Past::default()), Decision::Grant);
        // An end that was noted by a clock ahead of this one is one all the same.
        let ahead = self::ended(EndReason::Removed, day(25));
        assert_eq!(decided(&rule, &since(day(10)), Some(&ahead), Past::default()), stands);
        // Whom a person has designated again is raised.
        let stood_back = Standing { outcome: Some(Outcome::RemovedByPerson), ..since(day(10)) };
        let again = decided(&rule, &stood_back, Some(&designation()), Past::default());
        assert_eq!(again, Decision::Raise);
    }

    #[test]
    fn who_was_declined_is_put_forward_again_after_a_while() {
        let rule = rule(true);
        let new = Standing::new(&rule, day(20));
        let waits = Past { is_waiting: true, declined_at: None };
        let declined = |at| Past { is_waiting: false, declined_at: Some(at) };
        assert_eq!(decided(&rule, &new, None, Past::default()), Decision::Nominate);
        assert_eq!(decided(&rule, &new, None, waits), Decision::Settle(Outcome::Nominated));
        let recently = Decision::Settle(Outcome::Declined);
        assert_eq!(decided(&rule, &new, None, declined(day(1))), recently);
        let was_declined = Standing { outcome: Some(Outcome::Declined), ..new };
        let long_ago = declined(day(20) - chrono::Duration::days(90));
        assert_eq!(decided(&rule, &was_declined, None, long_ago), Decision::Nominate);
    }

    #[test]
    fn each_way_to_stand_has_a_word_and_a_sentence() {
        let rule = rule(false);
        let acted = Standing { outcome: Some(Outcome::Granted), ..Standing::new(&rule, day(2)) };
        let shown = |is_met, is_automatic, standing, designation| {
            Shown::of(&rule, is_met, is_automatic, standing, designation, day(20))
        };
        assert_eq!(shown(false, true, None, None), Shown::NotMet);
        assert_eq!(shown(true, false, None, None), Shown::AutomaticQualificationOff);
        assert_eq!(shown(true, true, None, None), Shown::Pending);
        let (granted, live) = (Shown::Settled(Outcome::Granted), designation());
        assert_eq!(shown(true, true, Some(&acted), Some(&live)), granted);
        let removed = ended(EndReason::Removed, day(5));
        let by_person = Shown::Settled(Outcome::RemovedByPerson);
        assert_eq!(shown(true, true, Some(&acted), Some(&removed)), by_person);
        let over = ended(EndReason::GraceOver, day(5));
        let ended = Shown::Settled(Outcome::DesignationEnded);
        assert_eq!(shown(true, true, Some(&acted), Some(&over)), ended);
        let disabled = Rule { is_enabled: false, ..rule.clone() };
        let of = Shown::of(&disabled, true, true, Some(&acted), None, day(20));
        assert_eq!(of, Shown::RuleDisabled);
        assert!(
            Shown::WORDS
                .iter()
                .all(|(word, sentence, _)| !word.is_empty() && sentence.ends_with('.'))
        );
    }

    #[test]
    fn a_rule_of_a_vip_who_was_designated_again_has_yet_to_act() {
        let rule = rule(false);
        let shown = |outcome, is_automatic, designation: Option<&Designation>| {
            let stood_back = Standing { outcome: Some(outcome), ..Standing::new(&rule, day(2)) };
            Shown::of(&rule, true, is_automatic, Some(&stood_back), designation, day(20))
        };
        let again = designation();
        for outcome in [Outcome::RemovedByPerson, Outcome::DesignationEnded] {
            let settled = Shown::Settled(outcome);
            assert_eq!(shown(outcome, true, Some(&again)), Shown::Pending);
            assert_eq!(shown(outcome, false, Some(&again)), settled);
            assert_eq!(shown(outcome, true, None), settled);
        }
        let over = ended(EndReason::EndsAt, day(5));
        let settled = Shown::Settled(Outcome::DesignationEnded);
        assert_eq!(shown(Outcome::DesignationEnded, true, Some(&over)), settled);
    }

    #[test]
    fn all_is_said_once_each_rule_that_is_met_has_acted_for_good() {
        let (one, two) =
            (rule(false), Rule { code: RuleCode::parse("two").unwrap(), ..rule(false) });
        let automatic = Qualification::default();
        let by_hand = Qualification { is_automatic: false, ..Qualification::default() };
        let standings = |stored: &[(&Rule, Option<Outcome>)]| -> BTreeMap<RuleCode, Standing> {
            let standing = |(rule, outcome): &(&Rule, Option<Outcome>)| {
                let standing = Standing { outcome: *outcome, ..Standing::new(rule, day(2)) };
                (rule.code.clone(), standing)
            };
            stored.iter().map(standing).collect()
        };
        let granted = (&one, Some(Outcome::Granted));
        let settled = |store, met: &[&Rule], stored: &[(&Rule, Option<Outcome>)]| {
            is_settled(store, met.iter().copied(), &standings(stored))
        };
        assert!(settled(&automatic, &[], &[]));
        assert!(settled(&automatic, &[&one], &[granted]));
        // A rule that is newly met, or that is no longer.
        assert!(!settled(&automatic, &[&one, &two], &[granted]));
        assert!(!settled(&automatic, &[], &[granted]));
        // One that has yet to act, or may act again; by hand, none acts.
        for outcome in [None, Some(Outcome::Declined)] {
            assert!(!settled(&automatic, &[&one], &[(&one, outcome)]), "{outcome:?}");
            assert!(settled(&by_hand, &[&one], &[(&one, outcome)]), "{outcome:?}");
        }
        // One that was changed.
        let changed = Rule { version: 4, ..one.clone() };
        assert!(!settled(&automatic, &[&changed], &[granted]));
    }
}
