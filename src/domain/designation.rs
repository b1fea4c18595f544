//! Designations: who formally is a VIP, and until when (design, section 4).

use super::Instant;
use super::benefit::Treatment;
use super::calendar::local_date;
use super::id::{BenefitCode, RuleCode, TierCode};
use super::tier::{Ladder, Tier};
use chrono::{Duration, NaiveDate};
use chrono_tz::Tz;

/// The state of a designation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The customer is a VIP.
    Active,
    /// It rests: neither badge nor benefits.
    Paused,
    /// It has ended, by removal or by itself.
    Cancelled,
}

impl State {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 3] =
        [("active", Self::Active), ("paused", Self::Paused), ("cancelled", Self::Cancelled)];
}

/// Why a customer is a VIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Spends a lot.
    BigSpender,
    /// Orders often.
    FrequentBuyer,
    /// Has reason to complain.
    UnhappyCustomer,
    /// Is one that the shop wants to win.
    TargetAccount,
    /// Works with the shop.
    Partner,
    /// Speaks for the shop.
    Advocate,
    /// Another reason.
    Other,
}

impl Profile {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 7] = [
        ("big_spender", Self::BigSpender),
        ("frequent_buyer", Self::FrequentBuyer),
        ("unhappy_customer", Self::UnhappyCustomer),
        ("target_account", Self::TargetAccount),
        ("partner", Self::Partner),
        ("advocate", Self::Advocate),
        ("other", Self::Other),
    ];
}

/// How soon a customer is to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Priority {
    /// After the others.
    Low,
    /// In turn.
    #[default]
    Normal,
    /// Before the others.
    High,
    /// At once.
    Urgent,
}

impl Priority {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("low", Self::Low),
        ("normal", Self::Normal),
        ("high", Self::High),
        ("urgent", Self::Urgent),
    ];
}

/// Why a person removed a designation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalReason {
    /// The customer cancelled.
    Cancelled,
    /// The customer went to a competitor.
    MovedToCompetitor,
    /// The customer spends much less.
    ReducedSpend,
    /// The customer complains too often.
    Complaints,
    /// The customer broke the shop's rules.
    PolicyViolation,
    /// Another reason.
    Other,
}

impl RemovalReason {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("cancelled", Self::Cancelled),
        ("moved_to_competitor", Self::MovedToCompetitor),
        ("reduced_spend", Self::ReducedSpend),
        ("complaints", Self::Complaints),
        ("policy_violation", Self::PolicyViolation),
        ("other", Self::Other),
    ];
}

/// What ended a designation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// A person removed it.
    Removed,
    /// Its `ends_at` came.
    EndsAt,
    /// The subscription was cancelled and the grace period is over.
    GraceOver,
    /// The customer was erased.
    CustomerErased,
}

impl EndReason {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("removed", Self::Removed),
        ("ends_at", Self::EndsAt),
        ("grace_over", Self::GraceOver),
        ("customer_erased", Self::CustomerErased),
    ];
}

/// How a designation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Instant,
    /// What ended it.
    pub reason: EndReason,
}

/// A formal VIP status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Designation {
    /// The tier, where one was chosen; otherwise the membership's alone counts.
    pub tier: Option<TierCode>,
    /// Since when it has that tier: what it keeps of the tier's benefits.
    pub tier_at: Instant,
    /// What was last set: `ended` tells whether it still holds.
    pub is_paused: bool,
    /// The date from which on the customer is a VIP, in the program's zone.
    pub since: NaiveDate,
    /// Benefits besides those of the tier.
    pub benefits: Vec<BenefitCode>,
    /// Benefits of the tier that this customer does not get.
    pub benefits_dropped: Vec<BenefitCode>,
    /// Why this customer is a VIP.
    pub profile: Option<Profile>,
    /// How soon to serve this customer, where it differs from the tier's.
    pub priority: Option<Priority>,
    /// The team that sees to this customer, where it differs from the tier's.
    pub team: Option<String>,
    /// Who looks after this customer.
    pub assigned_to: Option<String>,
    /// When it is to end.
    pub ends_at: Option<Instant>,
    /// Until when it is kept after the subscription was cancelled.
    pub grace_until: Option<Instant>,
    /// Whether a tier that was reached, or a rule, made it, and no person.
    pub is_automatic: bool,
    /// The rule that made it or raised its tier last.
    pub rule: Option<RuleCode>,
    /// When it was made.
    pub designated_at: Instant,
    /// How it ended, where that was noted; [`Designation::end`] knows of an
    /// end that nobody has noted yet.
    pub ended: Option<End>,
}

/// What a VIP is to have at least: what a rule gives, or what somebody proposes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grant {
    /// The tier.
    pub tier: Option<TierCode>,
    /// Benefits besides those of the tier.
    pub benefits: Vec<BenefitCode>,
    /// How soon to serve the customer.
    pub priority: Option<Priority>,
    /// Who looks after the customer.
    pub assigned_to: Option<String>,
    /// Why the customer is a VIP.
    pub profile: Option<Profile>,
}

/// What a designation stands on.
#[derive(Debug, Clone, Copy)]
pub struct Footing<'a> {
    /// The program's ladder.
    pub ladder: &'a Ladder,
    /// How the tiers are treated.
    pub treatment: &'a Treatment,
    /// The membership's tier.
    pub reached: Option<&'a TierCode>,
}

impl Footing<'_> {
    /// How soon a customer is served by the tier alone: the higher of the
    /// membership's and the designation's.
    fn priority(&self, designated: Option<&TierCode>) -> Priority {
        let tiers = [self.reached, designated].into_iter().flatten();
        let highest = tiers.max_by_key(|tier| self.ladder.rank(Some(tier)));
        highest.map(|tier| self.treatment.of(tier).priority).unwrap_or_default()
    }
}

impl Designation {
    /// The same with all that a grant gives: the tier and the priority only
    /// ever rise, benefits are added, and who looks after the customer and why
    /// they are a VIP is said only where nothing is said of it.
    #[must_use]
    pub fn with(mut self, grant: &Grant, footing: &Footing<'_>, now: Instant) -> Self {
        let ladder = footing.ladder;
        if ladder.rank(grant.tier.as_ref()) > ladder.rank(self.tier.as_ref()) {
            self.tier.clone_from(&grant.tier);
            self.tier_at = now;
        }
        for code in &grant.benefits {
            // What a person has taken off stays off.
            if !self.benefits.contains(code) && !self.benefits_dropped.contains(code) {
                self.benefits.push(code.clone());
            }
        }
        let has = self.priority.unwrap_or_else(|| footing.priority(self.tier.as_ref()));
        self.priority = grant.priority.filter(|wanted| *wanted > has).or(self.priority);
        if self.assigned_to.is_none() {
            self.assigned_to.clone_from(&grant.assigned_to);
        }
        self.profile = self.profile.or(grant.profile);
        self
    }

    /// Whether a grant would give anything. Why the customer is a VIP is said
    /// along with something else, and is nothing by itself.
    pub fn lacks(&self, grant: &Grant, footing: &Footing<'_>) -> bool {
        let granted = self.clone().with(grant, footing, self.tier_at);
        granted != Self { profile: granted.profile, ..self.clone() }
    }

    /// When and why it ends by itself, if it does.
    pub fn due(&self) -> Option<End> {
        let ends = self.ends_at.map(|at| End { at, reason: EndReason::EndsAt });
        let grace = self.grace_until.map(|at| End { at, reason: EndReason::GraceOver });
        [ends, grace].into_iter().flatten().min_by_key(|end| end.at)
    }

    /// How it has ended by an instant.
    pub fn end(&self, at: Instant) -> Option<End> {
        self.ended.or_else(|| self.due()).filter(|end| end.at <= at)
    }

    /// Its state at an instant, whether or not anybody has noted its end yet.
    pub fn state(&self, at: Instant) -> State {
        match self.end(at) {
            Some(_) => State::Cancelled,
            None if self.is_paused => State::Paused,
            None => State::Active,
        }
    }

    /// The same, kept for as long as the subscription and the program now say.
    /// What is over stays over.
    #[must_use]
    pub fn in_grace(
        mut self,
        zone: Tz,
        grace_days: u32,
        cancelled_at: Option<Instant>,
        now: Instant,
    ) -> Self {
        if self.end(now).is_none() {
            self.grace_until = grace_until(zone, grace_days, cancelled_at, self.since);
        }
        self
    }

    /// Whether automation keeps its hands off: a person's removal stands.
    pub fn is_removed(&self) -> bool {
        self.ended
            .is_some_and(|end| matches!(end.reason, EndReason::Removed | EndReason::CustomerErased))
    }
}

/// Until when a designation is kept after the subscription was cancelled. Who
/// is designated after the cancellation is a VIP in spite of it.
pub fn grace_until(
    zone: Tz,
    grace_days: u32,
    cancelled_at: Option<Instant>,
    since: NaiveDate,
) -> Option<Instant> {
    let cancelled_at = cancelled_at?;
    if local_date(zone, cancelled_at)? < since {
        return None;
    }
    cancelled_at.checked_add_signed(Duration::days(i64::from(grace_days)))
}

/// The tier that reaching `after` designates a customer as, or raises a
/// designation to; `None` where automation has nothing to do.
///
/// Of several tiers climbed at once the highest that designates counts, of
/// those that do so by themselves or of those for which a person has to
/// approve. A designation's tier is never lowered, and one that a person
/// removed is not made again.
pub fn automatic<'a>(
    ladder: &'a Ladder,
    treatment: &Treatment,
    (before, after): (Option<&TierCode>, Option<&TierCode>),
    requires_approval: bool,
    designation: Option<&Designation>,
    at: Instant,
) -> Option<&'a TierCode> {
    let (from, to) = (ladder.rank(before), ladder.rank(after));
    let designates = |tier: &Tier| {
        let treated = treatment.of(&tier.code);
        treated.designates && treated.requires_approval == requires_approval
    };
    let climbed = ladder
        .tiers()
        .iter()
        .filter(|tier| Some(tier.rank) > from && Some(tier.rank) <= to && designates(tier));
    let reached = climbed.max_by_key(|tier| tier.rank)?;
    match designation {
        Some(designation) if designation.is_removed() => None,
        Some(designation) if designation.state(at) != State::Cancelled => {
            (Some(reached.rank) > ladder.rank(designation.tier.as_ref())).then_some(&reached.code)
        }
        _ => Some(&reached.code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::benefit::TierTreatment;
    use crate::domain::tier::Tier;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn code(text: &str) -> TierCode {
        TierCode::parse(text).unwrap()
    }

    fn designation(tier: Option<&str>) -> Designation {
        Designation {
            tier: tier.map(code),
            tier_at: at("2024-01-01T00:00:00Z"),
            is_paused: false,
            since: "2024-01-01".parse().unwrap(),
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
            designated_at: at("2024-01-01T00:00:00Z"),
            ended: None,
        }
    }

    /// Bronze, silver, gold and platinum; silver and platinum designate.
    fn program() -> (Ladder, Treatment) {
        let codes = ["bronze", "silver", "gold", "platinum"];
        let tier = |(rank, name): (u32, &&str)| Tier {
            code: code(name),
            name: (*name).to_owned(),
            rank,
            threshold: Some(i64::from(rank) * 100),
            reward: None,
        };
        let ladder = Ladder::new((1..).zip(&codes).map(tier).collect()).unwrap();
        let mut treatment = Treatment::default();
        for name in ["silver", "platinum"] {
            treatment.set(&code(name), TierTreatment { designates: true, ..Default::default() });
        }
        (ladder, treatment)
    }

    #[test]
    fn it_ends_by_itself_at_the_earlier_of_both_ends() {
        let (may, june) = (at("2024-05-01T00:00:00Z"), at("2024-06-01T00:00:00Z"));
        let both = Designation { ends_at: Some(june), grace_until: Some(may), ..designation(None) };
        assert_eq!(both.state(at("2024-04-30T23:59:59.999999Z")), State::Active);
        assert_eq!(both.state(may), State::Cancelled);
        assert_eq!(both.end(may), Some(End { at: may, reason: EndReason::GraceOver }));
        assert_eq!(both.end(at("2024-04-30T00:00:00Z")), None);
        let paused = Designation { is_paused: true, ..both };
        assert_eq!(paused.state(at("2024-04-01T00:00:00Z")), State::Paused);
        assert_eq!(paused.state(june), State::Cancelled);
    }

    #[test]
    fn it_is_kept_for_90_days_after_a_cancellation_unless_it_was_made_later() {
        let zone: Tz = "Europe/London".parse().unwrap();
        let cancelled = at("2024-03-01T12:00:00Z");
        let until = |since: &str| grace_until(zone, 90, Some(cancelled), since.parse().unwrap());
        assert_eq!(until("2023-01-01"), Some(at("2024-05-30T12:00:00Z")));
        assert_eq!(until("2024-03-01"), Some(at("2024-05-30T12:00:00Z")));
        assert_eq!(until("2024-03-02"), None);
        assert_eq!(grace_until(zone, 90, None, "2023-01-01".parse().unwrap()), None);
    }

    #[test]
    fn reaching_a_tier_that_designates_makes_a_vip_of_it_or_raises_one() {
        let (ladder, treatment) = program();
        let now = at("2024-02-01T00:00:00Z");
        let climb = |from: Option<&str>, to: &str, known: Option<&Designation>| {
            let (from, to) = (from.map(code), code(to));
            automatic(&ladder, &treatment, (from.as_ref(), Some(&to)), false, known, now)
                .map(|tier| tier.as_str().to_owned())
        };
        let some = |tier: &str| Some(tier.to_owned());
        assert_eq!(climb(None, "bronze", None), None);
        assert_eq!(climb(Some("bronze"), "silver", None), some("silver"));
        // Gold does not designate, and silver lies on the way to it.
        assert_eq!(climb(Some("bronze"), "gold", None), some("silver"));
        assert_eq!(climb(Some("bronze"), "platinum", None), some("platinum"));
        assert_eq!(climb(Some("silver"), "gold", None), None);
        assert_eq!(climb(Some("gold"), "silver", None), None);
        let silver = designation(Some("silver"));
        assert_eq!(climb(Some("gold"), "platinum", Some(&silver)), some("platinum"));
        assert_eq!(climb(Some("bronze"), "silver", Some(&silver)), None);
        let platinum = designation(Some("platinum"));
        assert_eq!(climb(Some("bronze"), "silver", Some(&platinum)), None);
        assert_eq!(climb(Some("bronze"), "silver", Some(&designation(None))), some("silver"));
    }

    #[test]
    fn a_removal_stands_against_automation_and_an_end_by_itself_does_not() {
        let (ladder, treatment) = program();
        let now = at("2024-02-01T00:00:00Z");
        let known = |reason| Designation {
            ended: Some(End { at: at("2024-01-15T00:00:00Z"), reason }),
            ..designation(Some("silver"))
        };
        let climb = |known: &Designation| {
            let (from, to) = (code("bronze"), code("silver"));
            automatic(&ladder, &treatment, (Some(&from), Some(&to)), false, Some(known), now)
                .is_some()
        };
        assert!(!climb(&known(EndReason::Removed)));
        assert!(!climb(&known(EndReason::CustomerErased)));
        assert!(climb(&known(EndReason::GraceOver)));
        assert!(climb(&known(EndReason::EndsAt)));
    }

    #[test]
    fn a_tier_that_needs_approval_is_proposed_and_not_given() {
        let (ladder, mut treatment) = program();
        let gold =
            TierTreatment { designates: true, requires_approval: true, ..Default::default() };
        treatment.set(&code("gold"), gold);
        let climb = |requires_approval, known: Option<&Designation>| {
            let climbed = (None, Some(&code("gold")));
            let now = at("2024-02-01T00:00:00Z");
            automatic(&ladder, &treatment, climbed, requires_approval, known, now)
                .map(|tier| tier.as_str().to_owned())
        };
        assert_eq!(climb(false, None).as_deref(), Some("silver"));
        assert_eq!(climb(true, None).as_deref(), Some("gold"));
        assert_eq!(climb(true, Some(&designation(Some("silver")))).as_deref(), Some("gold"));
        assert_eq!(climb(true, Some(&designation(Some("platinum")))), None);
    }

    #[test]
    fn a_grant_raises_and_never_lowers() {
        let (ladder, mut treatment) = program();
        let served = TierTreatment { priority: Priority::Urgent, ..Default::default() };
        treatment.set(&code("platinum"), served);
        let footing = |reached| Footing { ladder: &ladder, treatment: &treatment, reached };
        let now = at("2024-02-01T00:00:00Z");
        let grant = Grant {
            tier: Some(code("gold")),
            benefits: vec![BenefitCode::parse("gift").unwrap()],
            priority: Some(Priority::High),
            assigned_to: Some("sam".into()),
            profile: Some(Profile::Advocate),
        };
        let silver = designation(Some("silver")).with(&grant, &footing(None), now);
        assert_eq!((silver.tier.clone(), silver.tier_at), (Some(code("gold")), now));
        assert_eq!((silver.priority, silver.profile), (Some(Priority::High), grant.profile));
        assert!(!silver.lacks(&grant, &footing(None)));
        let theirs = Designation {
            priority: Some(Priority::Urgent),
            assigned_to: Some("kim".into()),
            profile: Some(Profile::Partner),
            benefits: grant.benefits.clone(),
            ..designation(Some("platinum"))
        };
        assert_eq!(theirs.clone().with(&grant, &footing(None), now), theirs);
        assert!(!theirs.lacks(&grant, &footing(None)));
        // What a person has taken off stays off.
        let without =
            Designation { benefits_dropped: grant.benefits.clone(), ..designation(Some("silver")) };
        assert_eq!(without.with(&grant, &footing(None), now).benefits, []);
        // Who is served at once by the tier is not served later by the grant.
        let platinum = code("platinum");
        let raised = designation(None).with(&grant, &footing(Some(&platinum)), now);
        assert_eq!(raised.priority, None);
    }

    #[test]
    fn what_a_vip_has_already_is_not_given_again() {
        let (ladder, mut treatment) = program();
        let served = TierTreatment { priority: Priority::High, ..Default::default() };
        treatment.set(&code("gold"), served);
        let footing = Footing { ladder: &ladder, treatment: &treatment, reached: None };
        let priority = Some(Priority::High);
        let grant = Grant { tier: Some(code("gold")), priority, ..Grant::default() };
        let now = at("2024-02-01T00:00:00Z");
        // Since when the tier is held stays, and gold is served so anyway.
        let gold = designation(Some("gold"));
        assert_eq!(gold.clone().with(&grant, &footing, now), gold);
        assert!(designation(Some("silver")).lacks(&grant, &footing));
        // Why somebody is a VIP is nothing by itself.
        let because = Grant { profile: Some(Profile::Partner), ..grant };
        assert!(!gold.lacks(&because, &footing));
    }
}
