//! A store's program: its settings, its revisions and its pauses
//! (design, sections 3.8, 3.9 and 3.11).

use super::benefit::Treatment;
use super::earning::Ways;
use super::money::Currency;
use super::period::{Anchor, ProgressReset};
use super::qualification::Qualification;
use super::tier::Ladder;
use super::{Instant, calendar};
use chrono::NaiveDate;
use chrono_tz::Tz;
use rust_decimal::Decimal;

/// The highest earning rate: points by one unit of the currency.
pub const POINTS_PER_UNIT_MAX: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);
/// The most decimals that an earning rate has.
pub const POINTS_PER_UNIT_DECIMALS_MAX: u32 = 6;

/// What a customer's progress is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryMethod {
    /// Money spent, less refunds.
    AmountSpent,
    /// Orders placed and completed.
    OrdersPlaced,
    /// Points earned.
    PointsEarned,
}

impl EntryMethod {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("amount_spent", Self::AmountSpent),
        ("orders_placed", Self::OrdersPlaced),
        ("points_earned", Self::PointsEarned),
    ];
}

/// What becomes of a tier when a period ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TierRetention {
    /// A tier once reached is kept for good.
    Permanent,
    /// Who has not reached the top tier in the period falls to the entry tier.
    ResetEachPeriod,
}

impl TierRetention {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 2] =
        [("permanent", Self::Permanent), ("reset_each_period", Self::ResetEachPeriod)];
}

/// The part of a program that revisions change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Which metric the thresholds are measured against.
    pub entry_method: EntryMethod,
    /// When progress starts again at zero.
    pub progress_reset: ProgressReset,
    /// What becomes of a tier then.
    pub tier_retention: TierRetention,
    /// Points that an order earns by unit of its net total.
    pub points_per_unit: Decimal,
    /// The ways to earn points.
    pub ways: Ways,
    /// The tiers.
    pub ladder: Ladder,
}

/// Settings that don't go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRules {
    /// Only periods that end for everyone at once take tiers away.
    #[error(
        "reset_each_period goes with a progress_reset of kind calendar_year, or rolling with the anchor program_start, only"
    )]
    RetentionNeedsCommonPeriods,
}

impl Rules {
    /// Whether the settings go together (design, section 3.8).
    ///
    /// # Errors
    /// [`InvalidRules`] names the combination that is refused.
    pub fn check(&self) -> Result<(), InvalidRules> {
        let common_periods = matches!(
            self.progress_reset,
            ProgressReset::CalendarYear
                | ProgressReset::Rolling { anchor: Anchor::ProgramStart, .. }
        );
        if self.tier_retention == TierRetention::ResetEachPeriod && !common_periods {
            return Err(InvalidRules::RetentionNeedsCommonPeriods);
        }
        Ok(())
    }
}

/// One version of the rules, in force from an instant on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Counts the store's revisions, superseded ones too, from 1.
    pub number: i64,
    /// The first revision also judges all that is older.
    pub effective_from: Instant,
    /// What holds from then on.
    pub rules: Rules,
}

/// `[from, until)`: a stretch in which nothing counts and no boundary resets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// When it began.
    pub from: Instant,
    /// When the program was resumed; `None` while it is paused.
    pub until: Option<Instant>,
}

impl Pause {
    /// Whether an instant lies in it.
    pub fn covers(&self, at: Instant) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// A store's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What the shop calls it.
    pub name: String,
    /// The currency of every amount.
    pub currency: Currency,
    /// The zone whose midnights are the boundaries.
    pub time_zone: Tz,
    /// The date from which on activity counts.
    pub start_date: NaiveDate,
    /// How many days a designation is kept after a subscription was cancelled.
    pub grace_days: u32,
    /// After how many months without an entry credit and points expire; `None` for never.
    pub credit_expiry_months: Option<u32>,
    /// How customers are treated: benefits, labels, routing. Facts are not judged by it.
    pub treatment: Treatment,
    /// Who should be a VIP.
    pub qualification: Qualification,
    /// The revisions in force, by rising `effective_from`.
    revisions: Vec<Revision>,
    /// The pauses, in order; they neither touch nor overlap, and only the last can be open.
    pauses: Vec<Pause>,
}

/// A program that can't be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProgram {
    /// There is no revision, or they don't rise.
    #[error("a program's revisions rise, and there is at least one")]
    Revisions,
    /// Pauses touch or overlap, end before they begin, or an open one is not the last.
    #[error("a program's pauses follow one another")]
    Pauses,
}

impl Program {
    /// Puts a program together, which treats everyone alike and has no rules.
    ///
    /// # Errors
    /// [`InvalidProgram`] where revisions or pauses are out of order.
    pub fn new(
        name: String,
        currency: Currency,
        time_zone: Tz,
        start_date: NaiveDate,
        grace_days: u32,
        revisions: Vec<Revision>,
        pauses: Vec<Pause>,
    ) -> Result<Self, InvalidProgram> {
        if revisions.is_empty()
            || !revisions.is_sorted_by(|a, b| a.effective_from < b.effective_from)
        {
            return Err(InvalidProgram::Revisions);
        }
        let follow = pauses.is_sorted_by(|a, b| a.until.is_some_and(|until| until < b.from));
        if !follow || pauses.iter().any(|p| p.until.is_some_and(|until| until <= p.from)) {
            return Err(InvalidProgram::Pauses);
        }
        Ok(Self {
            name,
            currency,
            time_zone,
            start_date,
            grace_days,
            credit_expiry_months: None,
            treatment: Treatment::default(),
            qualification: Qualification::default(),
            revisions,
            pauses,
        })
    }

    /// The same program, treating customers in this way.
    #[must_use]
    pub fn treating(self, treatment: Treatment) -> Self {
        Self { treatment, ..self }
    }

    /// The same program, whose credit and points expire after so many months.
    #[must_use]
    pub fn expiring(self, credit_expiry_months: Option<u32>) -> Self {
        Self { credit_expiry_months, ..self }
    }

    /// The same program, with these rules of qualification.
    #[must_use]
    pub fn qualifying(self, qualification: Qualification) -> Self {
        Self { qualification, ..self }
    }

    /// The instant at which the program starts; `None` for a start date
    /// outside the years 1 to 9999, on which nothing ever starts.
    pub fn start_at(&self) -> Option<Instant> {
        calendar::midnight(self.time_zone, self.start_date)
    }

    /// The revisions in force, by rising `effective_from`; never empty.
    pub fn revisions(&self) -> &[Revision] {
        &self.revisions
    }

    /// The pauses, in order.
    pub fn pauses(&self) -> &[Pause] {
        &self.pauses
    }

    /// The rules in force at an instant: those of the last revision that holds
    /// by then, or of the first for all that is older.
    pub fn rules_at(&self, at: Instant) -> &Rules {
        self.rules_of(self.revisions.partition_point(|revision| revision.effective_from <= at))
    }

    /// The rules in force just before an instant: a boundary comes before a
    /// revision of the same instant (design, section 3.1).
    pub fn rules_before(&self, at: Instant) -> &Rules {
        self.rules_of(self.revisions.partition_point(|revision| revision.effective_from < at))
    }

    /// The newest rules.
    pub fn latest(&self) -> &Rules {
        self.rules_of(self.revisions.len())
    }

    /// The rules after `count` revisions have come into force.
    #[expect(clippy::indexing_slicing, reason = "`new` refuses a program without a revision")]
    fn rules_of(&self, count: usize) -> &Rules {
        &self.revisions[count.saturating_sub(1)].rules
    }

    /// The first revision that comes into force after an instant.
    pub fn next_revision(&self, after: Option<Instant>) -> Option<Instant> {
        self.revisions.iter().map(|r| r.effective_from).find(|from| Some(*from) > after)
    }

    /// Whether the program is paused at an instant.
    pub fn is_paused(&self, at: Instant) -> bool {
        self.pauses.iter().any(|pause| pause.covers(at))
    }

    /// The first resumption after an instant.
    pub fn next_resumption(&self, after: Option<Instant>) -> Option<Instant> {
        self.pauses.iter().filter_map(|pause| pause.until).find(|until| Some(*until) > after)
    }

    /// When a customer who joined then is enrolled: at the program's start, at
    /// the joining, or at the resumption where that falls into a pause,
    /// whichever is latest; `None` where no resumption is known
    /// (design, section 3.2).
    pub fn enrolment_of(&self, joined_at: Instant) -> Option<Instant> {
        let wanted = joined_at.max(self.start_at()?);
        match self.pauses.iter().find(|pause| pause.covers(wanted)) {
            Some(pause) => pause.until,
            None => Some(wanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn rules(tier_retention: TierRetention, progress_reset: ProgressReset) -> Rules {
        Rules {
            entry_method: EntryMethod::AmountSpent,
            progress_reset,
            tier_retention,
            points_per_unit: 1.into(),
            ways: Ways::default(),
            ladder: Ladder::default(),
        }
    }

    #[test]
    fn tiers_are_taken_away_only_where_periods_end_for_everyone_at_once() {
        let rolling = |anchor| ProgressReset::Rolling { months: 12, anchor };
        for (progress_reset, is_common) in [
            (ProgressReset::CalendarYear, true),
            (rolling(Anchor::ProgramStart), true),
            (rolling(Anchor::Enrolment), false),
            (rolling(Anchor::FirstTier), false),
            (ProgressReset::Never, false),
        ] {
            assert_eq!(rules(TierRetention::Permanent, progress_reset).check(), Ok(()));
            let checked = rules(TierRetention::ResetEachPeriod, progress_reset).check();
            let refused = Err(InvalidRules::RetentionNeedsCommonPeriods);
            assert_eq!(checked, if is_common { Ok(()) } else { refused }, "{progress_reset:?}");
        }
    }

    #[test]
    fn a_pause_begins_at_its_instant_and_is_over_at_the_resumption() {
        let (from, until) = (at("2024-03-01T00:00:00Z"), at("2024-04-01T00:00:00Z"));
        let pause = Pause { from, until: Some(until) };
        assert!(!pause.covers(at("2024-02-29T23:59:59.999999Z")));
        assert!(pause.covers(from));
        assert!(pause.covers(at("2024-03-31T23:59:59.999999Z")));
        assert!(!pause.covers(until));
        assert!(Pause { until: None, ..pause }.covers(at("2999-01-01T00:00:00Z")));
    }

    #[test]
    fn a_revision_holds_from_its_instant_on_and_the_first_for_all_that_is_older() {
        let revision = |number, from, months| {
            let progress_reset = ProgressReset::Rolling { months, anchor: Anchor::ProgramStart };
            let rules = rules(TierRetention::Permanent, progress_reset);
            Revision { number, effective_from: at(from), rules }
        };
        let (first, second) = ("2024-01-01T00:00:00Z", "2024-06-01T00:00:00Z");
        let program = Program::new(
            "VIP".into(),
            Currency::parse("GBP").unwrap(),
            chrono_tz::UTC,
            "2024-01-01".parse().unwrap(),
            90,
            vec![revision(1, first, 1), revision(2, second, 2)],
            Vec::new(),
        )
        .unwrap();
        let [one, two] = [0, 1].map(|i| &program.revisions()[i].rules);
        assert_eq!(program.rules_at(at("2020-01-01T00:00:00Z")), one);
        assert_eq!(program.rules_at(at("2024-05-31T23:59:59.999999Z")), one);
        assert_eq!(program.rules_at(at(second)), two);
        // A boundary comes before a revision of the same instant.
        assert_eq!(program.rules_before(at(second)), one);
        assert_eq!(program.rules_before(at("2024-06-01T00:00:00.000001Z")), two);
        assert_eq!(program.latest(), two);
    }
}
