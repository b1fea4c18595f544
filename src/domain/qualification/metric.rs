//! What the conditions of rules are about.

/// The longest window, in days.
pub const WINDOW_DAYS_MAX: u32 = 3650;

/// What a metric's values are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Minor units of the program's currency.
    Amount,
    /// A whole number of things.
    Count,
    /// Complete months of the calendar.
    Months,
    /// Complete hours.
    Hours,
    /// Complete days of 24 hours.
    Days,
    /// 1 for yes, 0 for no.
    YesNo,
}

/// What besides its name a metric needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// A window, in days.
    Window,
    /// A tag.
    Tag,
}

/// The name of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// All that was ever spent, less refunds.
    LifetimeSpend,
    /// What was spent in the window, less refunds.
    SpendInDays,
    /// Orders ever completed and not refunded in full.
    OrdersTotal,
    /// Those completed in the window.
    OrdersInDays,
    /// Complete months since joining.
    TenureMonths,
    /// Customers whose referral by this one counts.
    Referrals,
    /// What those have spent since, less refunds.
    ReferralSpend,
    /// Surveys of the window answered with 2 or less.
    UnsatisfiedSurveysInDays,
    /// Complaints of the window.
    ComplaintsInDays,
    /// Those of them that others could see.
    PublicComplaintsInDays,
    /// Complaints that are not resolved.
    OpenComplaints,
    /// The longest that a complaint has taken, until it was resolved or until now.
    ComplaintResolutionHours,
    /// Complete days since the newest completed order.
    IdleDays,
    /// All points ever earned.
    PointsTotal,
    /// Those earned in the window.
    PointsInDays,
    /// Whether no subscription was ever cancelled.
    NeverCancelled,
    /// Whether the customer has a tag.
    HasTag,
}

impl Name {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 17] = [
        ("lifetime_spend", Self::LifetimeSpend),
        ("spend_in_days", Self::SpendInDays),
        ("orders_total", Self::OrdersTotal),
        ("orders_in_days", Self::OrdersInDays),
        ("tenure_months", Self::TenureMonths),
        ("referrals", Self::Referrals),
        ("referral_spend", Self::ReferralSpend),
        ("unsatisfied_surveys_in_days", Self::UnsatisfiedSurveysInDays),
        ("complaints_in_days", Self::ComplaintsInDays),
        ("public_complaints_in_days", Self::PublicComplaintsInDays),
        ("open_complaints", Self::OpenComplaints),
        ("complaint_resolution_hours", Self::ComplaintResolutionHours),
        ("idle_days", Self::IdleDays),
        ("points_total", Self::PointsTotal),
        ("points_in_days", Self::PointsInDays),
        ("never_cancelled", Self::NeverCancelled),
        ("has_tag", Self::HasTag),
    ];

    /// What it is counted in.
    pub fn unit(self) -> Unit {
        match self {
            Self::LifetimeSpend | Self::SpendInDays | Self::ReferralSpend => Unit::Amount,
            Self::OrdersTotal
            | Self::OrdersInDays
            | Self::Referrals
            | Self::UnsatisfiedSurveysInDays
            | Self::ComplaintsInDays
            | Self::PublicComplaintsInDays
            | Self::OpenComplaints
            | Self::PointsTotal
            | Self::PointsInDays => Unit::Count,
            Self::TenureMonths => Unit::Months,
            Self::ComplaintResolutionHours => Unit::Hours,
            Self::IdleDays => Unit::Days,
            Self::NeverCancelled | Self::HasTag => Unit::YesNo,
        }
    }

    /// What it needs besides.
    pub fn needs(self) -> Needs {
        match self {
            Self::SpendInDays
            | Self::OrdersInDays
            | Self::UnsatisfiedSurveysInDays
            | Self::ComplaintsInDays
            | Self::PublicComplaintsInDays
            | Self::PointsInDays => Needs::Window,
            Self::HasTag => Needs::Tag,
            _ => Needs::Nothing,
        }
    }

    /// The highest value that it can have; `None` where nothing bounds it.
    pub fn value_max(self) -> Option<i64> {
        match self.unit() {
            Unit::YesNo => Some(1),
            Unit::Months => Some(1200),
            Unit::Days => Some(36_500),
            Unit::Hours => Some(876_000),
            Unit::Amount | Unit::Count => None,
        }
    }
}

/// A metric that can be taken: a name with all that it needs and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    name: Name,
    window_days: Option<u32>,
    tag: Option<String>,
}

/// Why a metric can't be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetric {
    /// It counts over a window.
    #[error("is required for this metric: 1 to {WINDOW_DAYS_MAX}")]
    WindowMissing,
    /// It counts over all time.
    #[error("does not go with this metric")]
    WindowNeedless,
    /// It asks for a tag.
    #[error("is required for this metric")]
    TagMissing,
    /// It asks for none.
    #[error("does not go with this metric")]
    TagNeedless,
}

impl InvalidMetric {
    /// The field at fault.
    pub fn field(self) -> &'static str {
        match self {
            Self::WindowMissing | Self::WindowNeedless => "window_days",
            Self::TagMissing | Self::TagNeedless => "tag",
        }
    }
}

impl Metric {
    /// Puts one together.
    ///
    /// # Errors
    /// Every fault at once, as [`InvalidMetric`].
    pub fn new(
        name: Name,
        window_days: Option<u32>,
        tag: Option<String>,
    ) -> Result<Self, Vec<InvalidMetric>> {
        let needs = name.needs();
        let mut faults = Vec::new();
        match (needs == Needs::Window, window_days) {
            (true, None) => faults.push(InvalidMetric::WindowMissing),
            (true, Some(days)) if !(1..=WINDOW_DAYS_MAX).contains(&days) => {
                faults.push(InvalidMetric::WindowMissing);
            }
            (false, Some(_)) => faults.push(InvalidMetric::WindowNeedless),
            _ => {}
        }
        match (needs == Needs::Tag, &tag) {
            (true, None) => faults.push(InvalidMetric::TagMissing),
            (false, Some(_)) => faults.push(InvalidMetric::TagNeedless),
            _ => {}
        }
        if faults.is_empty() { Ok(Self { name, window_days, tag }) } else { Err(faults) }
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.name
    }

    /// The window, of a metric that has one.
    pub fn window_days(&self) -> Option<u32> {
        self.window_days
    }

    /// The tag, of a metric that asks for one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Whether what it counts is never more than what another counts: the same
    /// over a window that is as long or longer, or a wider kind of it.
    pub fn is_within(&self, other: &Self) -> bool {
        /// What is counted, and whether that is all of it or a part.
        fn kind(name: Name) -> Option<(u8, bool)> {
            match name {
                Name::LifetimeSpend | Name::SpendInDays => Some((0, false)),
                Name::OrdersTotal | Name::OrdersInDays => Some((1, false)),
                Name::PointsTotal | Name::PointsInDays => Some((2, false)),
                Name::UnsatisfiedSurveysInDays => Some((3, false)),
                Name::ComplaintsInDays => Some((4, false)),
                Name::PublicComplaintsInDays => Some((4, true)),
                _ => None,
            }
        }
        let is_shorter =
            self.window_days.unwrap_or(u32::MAX) <= other.window_days.unwrap_or(u32::MAX);
        match (kind(self.name), kind(other.name)) {
            (Some((a, is_part)), Some((b, of_part))) => {
                a == b && is_shorter && (is_part || !of_part)
            }
            _ => self == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: Name, window_days: Option<u32>) -> Metric {
        Metric::new(name, window_days, None).unwrap()
    }

    #[test]
    fn a_metric_has_the_window_and_the_tag_that_it_needs_and_no_other() {
        let fields = |name, window, tag: Option<&str>| -> Vec<&str> {
            let faults = Metric::new(name, window, tag.map(str::to_owned)).err();
            faults.into_iter().flatten().map(InvalidMetric::field).collect()
        };
        assert_eq!(fields(Name::SpendInDays, Some(1), None), [""; 0]);
        assert_eq!(fields(Name::SpendInDays, Some(WINDOW_DAYS_MAX), None), [""; 0]);
        for bad in [None, Some(0), Some(WINDOW_DAYS_MAX + 1)] {
            assert_eq!(fields(Name::SpendInDays, bad, None), ["window_days"], "{bad:?}");
        }
        assert_eq!(fields(Name::OrdersTotal, Some(30), Some("x")), ["window_days", "tag"]);
        assert_eq!(fields(Name::HasTag, None, None), ["tag"]);
        let tagged = Metric::new(Name::HasTag, None, Some("partner".into())).unwrap();
        assert_eq!((tagged.tag(), tagged.window_days()), (Some("partner"), None));
    }

    #[test]
    fn what_has_a_natural_end_asks_for_no_more() {
        let most = |name: Name| name.value_max();
        assert_eq!(most(Name::HasTag), Some(1));
        assert_eq!(most(Name::TenureMonths), Some(100 * 12));
        assert_eq!(most(Name::IdleDays), Some(36_500));
        assert_eq!(most(Name::ComplaintResolutionHours), Some(36_500 * 24));
        assert_eq!((most(Name::LifetimeSpend), most(Name::OrdersTotal)), (None, None));
    }

    #[test]
    fn a_shorter_window_is_within_a_longer_one_of_the_same_kind_or_a_wider() {
        let ever = [
            (Name::SpendInDays, Name::LifetimeSpend),
            (Name::OrdersInDays, Name::OrdersTotal),
            (Name::PointsInDays, Name::PointsTotal),
        ];
        for (name, total) in ever {
            let (short, long) = (metric(name, Some(30)), metric(name, Some(90)));
            assert!(short.is_within(&long) && !long.is_within(&short), "{name:?}");
            let total = metric(total, None);
            assert!(long.is_within(&total) && !total.is_within(&long), "{name:?}");
        }
        let counted =
            [Name::UnsatisfiedSurveysInDays, Name::ComplaintsInDays, Name::PublicComplaintsInDays];
        for name in counted {
            let (short, long) = (metric(name, Some(30)), metric(name, Some(90)));
            assert!(short.is_within(&long) && !long.is_within(&short), "{name:?}");
            assert!(!short.is_within(&metric(Name::OrdersInDays, Some(90))), "{name:?}");
        }
        let public = metric(Name::PublicComplaintsInDays, Some(30));
        let all = metric(Name::ComplaintsInDays, Some(30));
        assert!(public.is_within(&all) && !all.is_within(&public));
        // What is not counted is within itself alone.
        let tenure = metric(Name::TenureMonths, None);
        assert!(tenure.is_within(&tenure) && !tenure.is_within(&metric(Name::IdleDays, None)));
    }
}
