//! What is known of a customer when rules judge.

use super::Rule;
use super::metric::{Metric, Name};
use crate::domain::activity::Kind;
use crate::domain::calendar::months_between;
use crate::domain::membership::Figures;
use crate::domain::{Instant, Overflow};
use chrono::{Duration, TimeDelta};
use chrono_tz::Tz;

/// The highest score of a survey that tells of an unsatisfied customer.
pub const UNSATISFIED_SCORE_MAX: u8 = 2;

/// A complaint, as rules see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Complaint {
    /// When it came.
    pub at: Instant,
    /// Whether others could see it.
    pub is_public: bool,
    /// When it was resolved; open until then.
    pub resolved_at: Option<Instant>,
}

/// What is known of one customer: at least all that the rules in question ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signals {
    /// When the customer joined, stated or found.
    pub joined_at: Instant,
    /// All that was ever spent, ordered and earned.
    pub lifetime: Figures,
    /// The newest completed order.
    pub last_order_at: Option<Instant>,
    /// How often a subscription was cancelled.
    pub cancellations: i64,
    /// The customer's tags.
    pub tags: Vec<String>,
    /// What completed orders and points were worth, each with its instant:
    /// those of the longest window.
    pub counted: Vec<(Instant, Figures)>,
    /// The scores of surveys, of the longest window.
    pub surveys: Vec<(Instant, u8)>,
    /// Complaints, of the longest window or of all time.
    pub complaints: Vec<Complaint>,
    /// Customers whose referral by this one counts.
    pub referrals: i64,
    /// What those have spent since, less refunds, in minor units.
    pub referral_spend: i64,
}

/// What of the history some rules ask for, so that no more of it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Orders and points after this instant.
    pub counted_after: Option<Instant>,
    /// Surveys after this instant.
    pub surveys_after: Option<Instant>,
    /// Complaints after this instant.
    pub complaints_after: Option<Instant>,
    /// Referrals.
    pub referrals: bool,
    /// What those who were referred have spent.
    pub referral_spend: bool,
}

impl Wanted {
    /// What some rules ask for at an instant.
    pub fn by<'a>(rules: impl IntoIterator<Item = &'a Rule>, now: Instant) -> Self {
        let mut wanted = Self::default();
        let conditions = rules.into_iter().flat_map(|rule| &rule.conditions);
        for metric in conditions.map(|condition| &condition.metric) {
            let after = metric.window_days().map_or(Instant::MIN_UTC, |days| begins(days, now));
            let reach = |since: &mut Option<Instant>| {
                *since = Some(since.map_or(after, |since| since.min(after)));
            };
            match metric.name() {
                Name::SpendInDays | Name::OrdersInDays | Name::PointsInDays => {
                    reach(&mut wanted.counted_after);
                }
                Name::UnsatisfiedSurveysInDays => reach(&mut wanted.surveys_after),
                Name::ComplaintsInDays
                | Name::PublicComplaintsInDays
                | Name::OpenComplaints
                | Name::ComplaintResolutionHours => reach(&mut wanted.complaints_after),
                Name::Referrals => wanted.referrals = true,
                Name::ReferralSpend => wanted.referral_spend = true,
                Name::LifetimeSpend
                | Name::OrdersTotal
                | Name::TenureMonths
                | Name::IdleDays
                | Name::PointsTotal
                | Name::NeverCancelled
                | Name::HasTag => {}
            }
        }
        wanted
    }
}

/// The instant after which a window of so many days begins.
fn begins(days: u32, now: Instant) -> Instant {
    now.checked_sub_signed(Duration::days(i64::from(days))).unwrap_or(Instant::MIN_UTC)
}

/// Something that happened, and that rules may mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// An order or a refund.
    Order,
    /// An activity.
    Activity(Kind),
    /// The shop says something else of the customer.
    Profile,
    /// The customer is new, or was folded again: anything may have changed.
    Anything,
}

impl Trigger {
    /// Whether it can change the value of a metric.
    pub fn matters_to(self, metric: Name) -> bool {
        use Name::{
            ComplaintResolutionHours, ComplaintsInDays, HasTag, IdleDays, LifetimeSpend,
            NeverCancelled, OpenComplaints, OrdersInDays, OrdersTotal, PointsInDays, PointsTotal,
            PublicComplaintsInDays, ReferralSpend, Referrals, SpendInDays, TenureMonths,
            UnsatisfiedSurveysInDays,
        };
        match self {
            // Who is not said to have joined has joined with the first order or points.
            Self::Order => matches!(
                metric,
                LifetimeSpend
                    | SpendInDays
                    | OrdersTotal
                    | OrdersInDays
                    | IdleDays
                    | PointsTotal
                    | PointsInDays
                    | TenureMonths
            ),
            Self::Activity(Kind::Points) => {
                matches!(metric, PointsTotal | PointsInDays | TenureMonths)
            }
            Self::Activity(Kind::Referral) => matches!(metric, Referrals | ReferralSpend),
            Self::Activity(Kind::Survey) => metric == UnsatisfiedSurveysInDays,
            Self::Activity(Kind::Complaint) => matches!(
                metric,
                ComplaintsInDays
                    | PublicComplaintsInDays
                    | OpenComplaints
                    | ComplaintResolutionHours
            ),
            Self::Activity(Kind::Contact) => false,
            Self::Profile => matches!(metric, TenureMonths | NeverCancelled | HasTag),
            Self::Anything => true,
        }
    }
}

impl Signals {
    /// The value of a metric at an instant, in its unit; `None` where there is
    /// none. A window of N days reaches from N × 24 hours ago (that instant
    /// excluded) on.
    ///
    /// # Errors
    /// [`Overflow`] where a sum does not fit.
    pub fn value(&self, metric: &Metric, zone: Tz, now: Instant) -> Result<Option<i64>, Overflow> {
        let after = metric.window_days().map_or(Instant::MIN_UTC, |days| begins(days, now));
        let sum = |figure: fn(&Figures) -> i64| {
            let recent = self.counted.iter().filter(|(at, _)| *at > after);
            recent
                .map(|(_, worth)| figure(worth))
                .try_fold(0_i64, |sum, more| sum.checked_add(more).ok_or(Overflow))
        };
        let complaints = || self.complaints.iter().filter(|complaint| complaint.at > after);
        let value = match metric.name() {
            Name::LifetimeSpend => self.lifetime.amount_spent,
            Name::OrdersTotal => self.lifetime.orders_placed,
            Name::PointsTotal => self.lifetime.points_earned,
            Name::SpendInDays => sum(|worth| worth.amount_spent)?,
            Name::OrdersInDays => sum(|worth| worth.orders_placed)?,
            Name::PointsInDays => sum(|worth| worth.points_earned)?,
            Name::TenureMonths => months_between(zone, self.joined_at, now),
            Name::Referrals => self.referrals,
            Name::ReferralSpend => self.referral_spend,
            Name::UnsatisfiedSurveysInDays => {
                let is_unsatisfied =
                    |(at, score): &&(Instant, u8)| *at > after && *score <= UNSATISFIED_SCORE_MAX;
                count(self.surveys.iter().filter(is_unsatisfied))
            }
            Name::ComplaintsInDays => count(complaints()),
            Name::PublicComplaintsInDays => count(complaints().filter(|c| c.is_public)),
            Name::OpenComplaints => {
                count(self.complaints.iter().filter(|c| c.resolved_at.is_none()))
            }
            Name::ComplaintResolutionHours => {
                let took = |c: &Complaint| elapsed(c.at, c.resolved_at.unwrap_or(now)).num_hours();
                self.complaints.iter().map(took).max().unwrap_or(0)
            }
            Name::IdleDays => {
                let Some(last_order_at) = self.last_order_at else { return Ok(None) };
                elapsed(last_order_at, now).num_days()
            }
            Name::NeverCancelled => i64::from(self.cancellations == 0),
            Name::HasTag => {
                i64::from(self.tags.iter().any(|tag| Some(tag.as_str()) == metric.tag()))
            }
        };
        Ok(Some(value))
    }
}

/// The time between; none where it has not begun.
fn elapsed(from: Instant, to: Instant) -> TimeDelta {
    to.signed_duration_since(from).max(TimeDelta::zero())
}

fn count<T>(things: impl Iterator<Item = T>) -> i64 {
    i64::try_from(things.count()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn nobody() -> Signals {
        Signals {
            joined_at: at("2024-01-31T12:00:00Z"),
            lifetime: Figures::default(),
            last_order_at: None,
            cancellations: 0,
            tags: Vec::new(),
            counted: Vec::new(),
            surveys: Vec::new(),
            complaints: Vec::new(),
            referrals: 0,
            referral_spend: 0,
        }
    }

    fn value(signals: &Signals, name: Name, window: Option<u32>, now: &str) -> Option<i64> {
        let tag = (name == Name::HasTag).then(|| "partner".to_owned());
        let metric = Metric::new(name, window, tag).unwrap();
        signals.value(&metric, chrono_tz::UTC, at(now)).unwrap()
    }

    #[test]
    fn a_window_leaves_out_the_instant_at_which_it_begins() {
        let worth = Figures { amount_spent: 500, orders_placed: 1, points_earned: 5 };
        let signals = Signals { counted: vec![(at("2024-06-01T10:00:00Z"), worth)], ..nobody() };
        let spent = |now| value(&signals, Name::SpendInDays, Some(30), now);
        assert_eq!(spent("2024-07-01T09:59:59.999999Z"), Some(500));
        assert_eq!(spent("2024-07-01T10:00:00Z"), Some(0));
        assert_eq!(value(&signals, Name::OrdersInDays, Some(1), "2024-06-02T09:00:00Z"), Some(1));
        assert_eq!(value(&signals, Name::PointsInDays, Some(1), "2024-06-02T09:00:00Z"), Some(5));
    }

    #[test]
    fn two_of_five_is_unsatisfied_and_three_is_not() {
        let day = at("2024-06-01T10:00:00Z");
        let signals = Signals { surveys: (1..=5).map(|score| (day, score)).collect(), ..nobody() };
        let count =
            value(&signals, Name::UnsatisfiedSurveysInDays, Some(9), "2024-06-02T10:00:00Z");
        assert_eq!(count, Some(2));
    }

    #[test]
    fn an_open_complaint_has_taken_until_now() {
        let complaint = |resolved: Option<&str>, is_public| Complaint {
            at: at("2024-06-01T10:00:00Z"),
            is_public,
            resolved_at: resolved.map(at),
        };
        let resolved = complaint(Some("2024-06-01T15:59:00Z"), true);
        let now = "2024-06-03T10:00:00Z";
        let of = |complaints: Vec<Complaint>| Signals { complaints, ..nobody() };
        let hours = |signals: &Signals| value(signals, Name::ComplaintResolutionHours, None, now);
        assert_eq!(hours(&of(vec![])), Some(0));
        assert_eq!(hours(&of(vec![resolved])), Some(5));
        let both = of(vec![resolved, complaint(None, false)]);
        assert_eq!(hours(&both), Some(48));
        assert_eq!(value(&both, Name::OpenComplaints, None, now), Some(1));
        assert_eq!(value(&both, Name::ComplaintsInDays, Some(3), now), Some(2));
        assert_eq!(value(&both, Name::PublicComplaintsInDays, Some(3), now), Some(1));
        assert_eq!(value(&both, Name::ComplaintsInDays, Some(2), now), Some(0));
    }

    #[test]
    fn who_never_ordered_is_not_idle_but_has_no_such_value() {
        let now = "2024-07-16T10:00:00Z";
        assert_eq!(value(&nobody(), Name::IdleDays, None, now), None);
        let ordered = Signals { last_order_at: Some(at("2024-06-01T10:00:00Z")), ..nobody() };
        assert_eq!(value(&ordered, Name::IdleDays, None, now), Some(45));
        assert_eq!(value(&ordered, Name::IdleDays, None, "2024-07-16T09:59:59Z"), Some(44));
        // An order ahead of the clock is no reason for a negative number.
        assert_eq!(value(&ordered, Name::IdleDays, None, "2024-05-01T00:00:00Z"), Some(0));
    }

    #[test]
    fn the_rest_is_read_off_as_it_stands() {
        let signals = Signals {
            tags: vec!["partner".into()],
            cancellations: 1,
            lifetime: Figures { amount_spent: 7, orders_placed: 8, points_earned: 9 },
            referrals: 3,
            referral_spend: 4,
            ..nobody()
        };
        let now = "2024-02-29T00:00:00Z";
        let read = |name| value(&signals, name, None, now).unwrap();
        assert_eq!(read(Name::HasTag), 1);
        assert_eq!(value(&nobody(), Name::HasTag, None, now), Some(0));
        assert_eq!(read(Name::NeverCancelled), 0);
        assert_eq!(value(&nobody(), Name::NeverCancelled, None, now), Some(1));
        assert_eq!(
            [Name::LifetimeSpend, Name::OrdersTotal, Name::PointsTotal].map(read),
            [7, 8, 9]
        );
        assert_eq!([Name::Referrals, Name::ReferralSpend].map(read), [3, 4]);
        // 31 January and a month is 29 February.
        assert_eq!(read(Name::TenureMonths), 1);
    }

    #[test]
    fn a_survey_leaves_the_window_with_its_instant() {
        let answered = at("2024-06-01T10:00:00Z");
        let signals = Signals { surveys: vec![(answered, 1)], ..nobody() };
        let count = |now| value(&signals, Name::UnsatisfiedSurveysInDays, Some(30), now);
        assert_eq!(count("2024-07-01T09:59:59.999999Z"), Some(1));
        assert_eq!(count("2024-07-01T10:00:00Z"), Some(0));
    }

    fn rule(asked: &[(Name, Option<u32>)]) -> Rule {
        use crate::domain::designation::{Grant, Profile};
        use crate::domain::id::RuleCode;
        use crate::domain::qualification::{Bound, Condition};
        let condition = |(name, window): &(Name, Option<u32>)| {
            let metric = Metric::new(*name, *window, None).unwrap();
            Condition { metric, bound: Bound::AtLeast(1) }
        };
        Rule {
            code: RuleCode::parse("rule").unwrap(),
            name: "Rule".into(),
            profile: Profile::Other,
            conditions: asked.iter().map(condition).collect(),
            grant: Grant::default(),
            requires_approval: false,
            is_enabled: true,
            version: 1,
        }
    }

    #[test]
    fn no_more_of_the_history_is_wanted_than_the_longest_window_asks_for() {
        let now = at("2024-07-01T00:00:00Z");
        let wanted = |rules: &[Rule]| Wanted::by(rules, now);
        let all_time = [Name::LifetimeSpend, Name::TenureMonths, Name::NeverCancelled];
        assert_eq!(wanted(&[rule(&all_time.map(|name| (name, None)))]), Wanted::default());
        let spend = rule(&[(Name::SpendInDays, Some(30)), (Name::OrdersInDays, Some(10))]);
        let points = rule(&[(Name::PointsInDays, Some(20)), (Name::Referrals, None)]);
        let of_both = Wanted {
            counted_after: Some(at("2024-06-01T00:00:00Z")),
            referrals: true,
            ..Wanted::default()
        };
        assert_eq!(wanted(&[spend, points]), of_both);
        let others = [
            (Name::UnsatisfiedSurveysInDays, Some(10)),
            (Name::ComplaintsInDays, Some(10)),
            (Name::ReferralSpend, None),
        ];
        let recent = Wanted {
            surveys_after: Some(at("2024-06-21T00:00:00Z")),
            complaints_after: Some(at("2024-06-21T00:00:00Z")),
            referral_spend: true,
            ..Wanted::default()
        };
        assert_eq!(wanted(&[rule(&others)]), recent);
        // Open ones may be as old as they like.
        let open = Wanted { complaints_after: Some(Instant::MIN_UTC), ..recent };
        assert_eq!(wanted(&[rule(&others), rule(&[(Name::OpenComplaints, None)])]), open);
    }

    #[test]
    fn each_metric_is_minded_by_what_can_change_it() {
        let minded = |trigger: Trigger| -> Vec<Name> {
            let names = Name::WORDS.iter().map(|(_, name)| *name);
            names.filter(|name| trigger.matters_to(*name)).collect()
        };
        assert_eq!(
            minded(Trigger::Order),
            [
                Name::LifetimeSpend,
                Name::SpendInDays,
                Name::OrdersTotal,
                Name::OrdersInDays,
                Name::TenureMonths,
                Name::IdleDays,
                Name::PointsTotal,
                Name::PointsInDays,
            ]
        );
        let of = |kind| minded(Trigger::Activity(kind));
        assert_eq!(of(Kind::Points), [Name::TenureMonths, Name::PointsTotal, Name::PointsInDays]);
        assert_eq!(of(Kind::Referral), [Name::Referrals, Name::ReferralSpend]);
        assert_eq!(of(Kind::Survey), [Name::UnsatisfiedSurveysInDays]);
        assert_eq!(
            of(Kind::Complaint),
            [
                Name::ComplaintsInDays,
                Name::PublicComplaintsInDays,
                Name::OpenComplaints,
                Name::ComplaintResolutionHours,
            ]
        );
        assert_eq!(of(Kind::Contact), []);
        let profile = [Name::TenureMonths, Name::NeverCancelled, Name::HasTag];
        assert_eq!(minded(Trigger::Profile), profile);
        assert_eq!(minded(Trigger::Anything).len(), Name::WORDS.len());
    }
}
