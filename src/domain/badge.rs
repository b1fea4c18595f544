//! How one customer is to be treated: what packers and support look up
//! (design, sections 2 and 4).

use super::Instant;
use super::benefit::{Benefit, Icon};
use super::designation::{Designation, Priority, State};
use super::id::{BenefitCode, TierCode};
use super::membership::Membership;
use super::program::{Program, TierRetention};
use super::status::{Flag, Status};
use super::tier::Tier;
use std::collections::BTreeMap;

/// What a label says besides its icon.
pub const HANDLING_NOTE: &str = "VIP Customer - Premium Service";

/// What is known of one customer.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The store's program.
    pub program: &'a Program,
    /// What staff set by hand.
    pub flag: Option<Flag>,
    /// Whether the VIP icon is printed on this customer's labels.
    pub print_vip_icon: bool,
    /// Where the customer stands, now.
    pub membership: &'a Membership,
    /// The designation, if there ever was one.
    pub designation: Option<&'a Designation>,
    /// The clock: a membership may know of a fact ahead of it.
    pub now: Instant,
}

impl<'a> Known<'a> {
    /// The designation while it is active.
    fn active(&self) -> Option<&'a Designation> {
        self.designation.filter(|designation| designation.state(self.now) == State::Active)
    }
}

/// How a customer is to be treated at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Badge {
    /// The one word.
    pub status: Status,
    /// The effective tier: the higher of the membership's and an active designation's.
    pub tier: Option<(Tier, Icon)>,
    /// Whether benefits are withheld.
    pub withheld: bool,
    /// What the customer has, in the order of the codes.
    pub benefits: Vec<Had>,
    /// What is printed on the label.
    pub label: Label,
    /// How soon to serve the customer.
    pub priority: Priority,
    /// The team that sees to the customer.
    pub team: Option<String>,
    /// Who looks after the customer.
    pub assigned_to: Option<String>,
}

/// A benefit that a customer has, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Had {
    /// The benefit.
    pub benefit: Benefit,
    /// All that gives it.
    pub because: Vec<Source>,
}

/// What gives a benefit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The tier that the customer has reached.
    MembershipTier {
        /// Which.
        tier: TierCode,
        /// Whether the tier no longer carries it, and this customer keeps it.
        kept: bool,
    },
    /// The tier of the designation.
    DesignationTier {
        /// Which.
        tier: TierCode,
        /// Whether the tier no longer carries it, and this customer keeps it.
        kept: bool,
    },
    /// The designation itself adds it.
    Designation,
}

/// What is printed on a label.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// The icon, or why there is none.
    pub icon: Result<Icon, NoIcon>,
    /// The name of the tier; `None` where nothing is printed.
    pub tier_name: Option<String>,
    /// Whether the handling note is printed.
    pub has_handling_note: bool,
}

/// Why no icon is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoIcon {
    /// The customer is not served.
    DoNotServe,
    /// The customer is no VIP: there is no designation, or it is paused or has ended.
    DesignationNotActive,
    /// `print_vip_icon` is off for this customer.
    IconOffForCustomer,
    /// The shop's label has no place for it.
    TemplateWithoutIcon,
}

impl NoIcon {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("do_not_serve", Self::DoNotServe),
        ("designation_not_active", Self::DesignationNotActive),
        ("icon_off_for_customer", Self::IconOffForCustomer),
        ("template_without_icon", Self::TemplateWithoutIcon),
    ];
}

/// The higher of the membership's tier and a designation's.
fn effective_tier<'a>(known: &Known<'a>, designation: Option<&'a Designation>) -> Option<&'a Tier> {
    let reached = known.membership.tier.as_ref().map(|(tier, _)| tier);
    let given = designation.and_then(|designation| designation.tier.as_ref());
    let given = given.and_then(|code| known.program.latest().ladder.find(code));
    reached.into_iter().chain(given).max_by_key(|tier| tier.rank)
}

/// The tier to list a VIP by: the one that counts while the designation is active.
pub fn listed_tier(known: &Known<'_>) -> Option<(Tier, Icon)> {
    let tier = effective_tier(known, known.designation)?;
    Some((tier.clone(), known.program.treatment.of(&tier.code).icon))
}

/// The benefits of one customer, whatever a flag says: those of the tier that
/// was reached, those of the designation's tier, and those that the
/// designation adds, less those that it drops.
fn benefits(known: &Known<'_>, designation: Option<&Designation>) -> Vec<Had> {
    let treatment = &known.program.treatment;
    let mut had: BTreeMap<&BenefitCode, Had> = BTreeMap::new();
    let is_kept = known.program.latest().tier_retention == TierRetention::Permanent;
    let mut give = |benefit: &'_ Benefit, source: Source| {
        if let Some((code, benefit)) = treatment.benefits.get_key_value(&benefit.code) {
            let had = had
                .entry(code)
                .or_insert_with(|| Had { benefit: benefit.clone(), because: Vec::new() });
            had.because.push(source);
        }
    };
    if let Some((tier, since)) = &known.membership.tier {
        for (benefit, kept) in treatment.held(&tier.code, *since, is_kept) {
            give(benefit, Source::MembershipTier { tier: tier.code.clone(), kept });
        }
    }
    let Some(designation) = designation else { return had.into_values().collect() };
    if let Some(tier) = &designation.tier {
        for (benefit, kept) in treatment.held(tier, designation.tier_at, is_kept) {
            give(benefit, Source::DesignationTier { tier: tier.clone(), kept });
        }
    }
    had.retain(|code, _| !designation.benefits_dropped.contains(code));
    for code in &designation.benefits {
        if let Some((code, benefit)) = treatment.benefits.get_key_value(code) {
            let had = had
                .entry(code)
                .or_insert_with(|| Had { benefit: benefit.clone(), because: Vec::new() });
            had.because.push(Source::Designation);
        }
    }
    had.into_values().collect()
}

impl Badge {
    /// How a customer is to be treated, at the membership's instant.
    pub fn of(known: &Known<'_>) -> Self {
        let active = known.active();
        let status = Status::of(known.flag, active.is_some());
        let withheld = status == Status::DoNotServe;
        let tier = effective_tier(known, active);
        let treated = tier.map(|tier| known.program.treatment.of(&tier.code));
        let icon = treated.as_ref().map(|treated| treated.icon).unwrap_or_default();
        let no_icon = if withheld {
            Some(NoIcon::DoNotServe)
        } else if active.is_none() {
            Some(NoIcon::DesignationNotActive)
        } else if !known.print_vip_icon {
            Some(NoIcon::IconOffForCustomer)
        } else if !known.program.treatment.label_shows_icon {
            Some(NoIcon::TemplateWithoutIcon)
        } else {
            None
        };
        let is_printed = active.is_some() && !withheld;
        Self {
            status,
            tier: tier.map(|tier| (tier.clone(), icon)),
            withheld,
            benefits: if withheld { Vec::new() } else { benefits(known, active) },
            label: Label {
                icon: no_icon.map_or(Ok(icon), Err),
                tier_name: tier.filter(|_| is_printed).map(|tier| tier.name.clone()),
                has_handling_note: is_printed,
            },
            priority: active
                .and_then(|d| d.priority)
                .or_else(|| treated.as_ref().map(|treated| treated.priority))
                .unwrap_or_default(),
            team: active
                .and_then(|d| d.team.clone())
                .or_else(|| treated.and_then(|treated| treated.team)),
            assigned_to: active.and_then(|d| d.assigned_to.clone()),
        }
    }
}

/// The benefits that have to be taken off before the designation can be
/// removed: those that it gives and that are marked so (design, section 4).
pub fn must_end_first(known: &Known<'_>) -> Vec<BenefitCode> {
    let is_given = |had: &Had| {
        had.because.iter().any(|source| !matches!(source, Source::MembershipTier { .. }))
    };
    benefits(known, known.active())
        .into_iter()
        .filter(|had| had.benefit.must_end_first && is_given(had))
        .map(|had| had.benefit.code)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::benefit::{Kind, TierTreatment, Treatment};
    use crate::domain::earning::Ways;
    use crate::domain::membership::{Achievements, Joining, State as Told};
    use crate::domain::money::Currency;
    use crate::domain::period::ProgressReset;
    use crate::domain::program::{EntryMethod, Revision, Rules};
    use crate::domain::tier::Ladder;
    use proptest::prelude::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn tier(text: &str) -> TierCode {
        TierCode::parse(text).unwrap()
    }

    fn benefit(text: &str) -> BenefitCode {
        BenefitCode::parse(text).unwrap()
    }

    /// Silver carries shipping, gold a line of its own and a gift; the line must end first.
    fn program() -> Program {
        let of = |code: &str, rank, threshold| Tier {
            code: tier(code),
            name: code.to_uppercase(),
            rank,
            threshold: Some(threshold),
            reward: None,
        };
        let rules = Rules {
            entry_method: EntryMethod::AmountSpent,
            progress_reset: ProgressReset::Never,
            tier_retention: TierRetention::Permanent,
            points_per_unit: 1.into(),
            ways: Ways::default(),
            ladder: Ladder::new(vec![of("silver", 1, 100), of("gold", 2, 500)]).unwrap(),
        };
        let start = at("2024-01-01T00:00:00Z");
        let revision = Revision { number: 1, effective_from: start, rules };
        let mut treatment = Treatment::default();
        for code in ["shipping", "line", "gift", "extra"] {
            let known = Benefit {
                code: benefit(code),
                name: code.to_owned(),
                kind: Kind::Other,
                early_access_hours: None,
                discount_percent: None,
                contact: None,
                response_minutes: None,
                must_end_first: code == "line",
            };
            treatment.benefits.insert(known.code.clone(), known);
        }
        treatment.carry(&tier("silver"), &[benefit("shipping")], start, true);
        treatment.carry(&tier("gold"), &[benefit("line"), benefit("gift")], start, true);
        let gold = TierTreatment {
            icon: Icon::Gold,
            priority: Priority::High,
            team: Some("gold-desk".to_owned()),
            designates: false,
            requires_approval: false,
        };
        treatment.set(&tier("gold"), gold);
        Program::new(
            "VIP".to_owned(),
            Currency::parse("GBP").unwrap(),
            chrono_tz::UTC,
            "2024-01-01".parse().unwrap(),
            90,
            vec![revision],
            Vec::new(),
        )
        .unwrap()
        .treating(treatment)
    }

    fn membership(program: &Program, code: Option<&str>) -> Membership {
        let now = at("2024-06-01T00:00:00Z");
        let joining = Joining { joined_at: None, created_at: now };
        let nothing = Achievements::default();
        let mut membership = Membership::at(program, joining, Told::default(), &nothing, now);
        let ladder = &program.latest().ladder;
        let held = code.map(|code| (ladder.find(&tier(code)).unwrap().clone(), now));
        membership.tier = held;
        membership
    }

    fn designation(code: Option<&str>) -> Designation {
        Designation {
            tier: code.map(tier),
            tier_at: at("2024-03-01T00:00:00Z"),
            is_paused: false,
            since: "2024-03-01".parse().unwrap(),
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
            designated_at: at("2024-03-01T00:00:00Z"),
            ended: None,
        }
    }

    /// The badge, and what has to end before a removal.
    fn treated(
        reached: Option<&str>,
        designation: Option<&Designation>,
        flag: Option<Flag>,
    ) -> (Badge, Vec<String>) {
        let program = program();
        let membership = membership(&program, reached);
        let known = Known {
            program: &program,
            flag,
            print_vip_icon: true,
            membership: &membership,
            designation,
            now: membership.as_of,
        };
        let first = must_end_first(&known).iter().map(ToString::to_string).collect();
        (Badge::of(&known), first)
    }

    fn benefits_of(badge: &Badge) -> Vec<&str> {
        badge.benefits.iter().map(|had| had.benefit.code.as_str()).collect()
    }

    fn tier_of(badge: &Badge) -> Option<&str> {
        badge.tier.as_ref().map(|(tier, _)| tier.code.as_str())
    }

    #[test]
    fn the_higher_of_both_tiers_counts_and_the_benefits_of_both_are_had() {
        let (badge, first) = treated(Some("silver"), Some(&designation(Some("gold"))), None);
        assert_eq!(tier_of(&badge), Some("gold"));
        assert_eq!(benefits_of(&badge), ["gift", "line", "shipping"]);
        assert_eq!((badge.priority, badge.team.as_deref()), (Priority::High, Some("gold-desk")));
        assert_eq!(badge.label.icon, Ok(Icon::Gold));
        assert_eq!(first, ["line"]);
        let (badge, first) = treated(Some("gold"), Some(&designation(Some("silver"))), None);
        assert_eq!(tier_of(&badge), Some("gold"));
        // The line comes with what was reached: no removal ends it.
        assert_eq!(first, [""; 0]);
    }

    #[test]
    fn a_designation_adds_and_drops_benefits() {
        let designation = Designation {
            benefits: vec![benefit("extra"), benefit("gift")],
            benefits_dropped: vec![benefit("line")],
            ..designation(Some("gold"))
        };
        let (badge, first) = treated(None, Some(&designation), None);
        assert_eq!(benefits_of(&badge), ["extra", "gift"]);
        let because: Vec<usize> = badge.benefits.iter().map(|had| had.because.len()).collect();
        assert_eq!(because, [1, 2]);
        assert_eq!(first, [""; 0]);
    }

    #[test]
    fn caution_leaves_everything_and_do_not_serve_withholds_benefits_and_label() {
        let vip = designation(Some("gold"));
        let (badge, _) = treated(None, Some(&vip), Some(Flag::Caution));
        assert_eq!(badge.status, Status::Caution);
        assert_eq!(benefits_of(&badge), ["gift", "line"]);
        assert_eq!((badge.label.icon, badge.label.has_handling_note), (Ok(Icon::Gold), true));
        let (badge, _) = treated(None, Some(&vip), Some(Flag::DoNotServe));
        assert_eq!((badge.status, badge.withheld), (Status::DoNotServe, true));
        assert!(badge.benefits.is_empty());
        assert_eq!(badge.label.icon, Err(NoIcon::DoNotServe));
        assert_eq!((badge.label.tier_name, badge.label.has_handling_note), (None, false));
    }

    #[test]
    fn a_designation_that_rests_or_has_ended_counts_for_nothing() {
        let paused = Designation { is_paused: true, ..designation(Some("gold")) };
        let over =
            Designation { ends_at: Some(at("2024-06-01T00:00:00Z")), ..designation(Some("gold")) };
        for designation in [None, Some(&paused), Some(&over)] {
            let (badge, _) = treated(Some("silver"), designation, None);
            assert_eq!((badge.status, tier_of(&badge)), (Status::Active, Some("silver")));
            assert_eq!(benefits_of(&badge), ["shipping"]);
            assert_eq!(badge.label.icon, Err(NoIcon::DesignationNotActive));
        }
    }

    #[test]
    fn who_held_a_permanent_tier_keeps_what_was_taken_off_it_since() {
        let was = program();
        let mut treatment = was.treatment.clone();
        treatment.carry(&tier("gold"), &[benefit("line")], at("2024-05-01T00:00:00Z"), true);
        let program = was.treating(treatment);
        // The designation has given gold since March; who reaches it in June comes too late.
        for (reached, given, expected) in [
            (None, Some("gold"), vec![("gift", true), ("line", false)]),
            (Some("gold"), None, vec![("line", false)]),
        ] {
            let (membership, designation) = (membership(&program, reached), designation(given));
            let known = Known {
                program: &program,
                flag: None,
                print_vip_icon: true,
                membership: &membership,
                designation: Some(&designation),
                now: membership.as_of,
            };
            let had = Badge::of(&known).benefits;
            let kept = |source: &Source| match source {
                Source::MembershipTier { kept, .. } | Source::DesignationTier { kept, .. } => *kept,
                Source::Designation => false,
            };
            let had: Vec<(&str, bool)> =
                had.iter().map(|had| (had.benefit.code.as_str(), kept(&had.because[0]))).collect();
            assert_eq!(had, expected);
        }
    }

    #[test]
    fn a_vip_who_rests_is_listed_by_the_tier_that_counts_while_active() {
        let program = program();
        let membership = membership(&program, Some("silver"));
        let paused = Designation { is_paused: true, ..designation(Some("gold")) };
        let listed = |designation: Option<&Designation>| {
            let known = Known {
                program: &program,
                flag: None,
                print_vip_icon: true,
                membership: &membership,
                designation,
                now: membership.as_of,
            };
            listed_tier(&known).map(|(tier, icon)| (tier.code, icon))
        };
        assert_eq!(listed(Some(&paused)), Some((tier("gold"), Icon::Gold)));
        assert_eq!(listed(None), Some((tier("silver"), Icon::Star)));
    }

    #[test]
    fn an_icon_is_not_printed_for_who_has_it_off_nor_on_a_label_without_a_place_for_it() {
        let known = program();
        let mut plain = known.treatment.clone();
        plain.label_shows_icon = false;
        let without = program().treating(plain);
        let vip = designation(Some("gold"));
        for (program, print_vip_icon, icon) in [
            (&known, true, Ok(Icon::Gold)),
            (&known, false, Err(NoIcon::IconOffForCustomer)),
            (&without, true, Err(NoIcon::TemplateWithoutIcon)),
        ] {
            let membership = membership(program, None);
            let known = Known {
                program,
                flag: None,
                print_vip_icon,
                membership: &membership,
                designation: Some(&vip),
                now: membership.as_of,
            };
            let label = Badge::of(&known).label;
            assert_eq!((label.icon, label.has_handling_note), (icon, true));
        }
    }

    proptest! {
        /// Whatever is known: no benefit comes twice or for nothing, and the
        /// effective tier is never below the one reached.
        #[test]
        fn a_badge_never_contradicts_itself(
            reached in prop_oneof![Just(None), Just(Some("silver")), Just(Some("gold"))],
            given in prop_oneof![Just(None), Just(Some("silver")), Just(Some("gold"))],
            is_paused: bool,
            is_designated: bool,
            added in proptest::sample::subsequence(vec!["extra", "gift", "line"], 0..=3),
            dropped in proptest::sample::subsequence(vec!["shipping", "gift", "line"], 0..=3),
            flag in prop_oneof![Just(None), Just(Some(Flag::Caution)), Just(Some(Flag::DoNotServe))],
        ) {
            let designation = Designation {
                is_paused,
                benefits: added.iter().map(|code| benefit(code)).collect(),
                benefits_dropped: dropped.iter().map(|code| benefit(code)).collect(),
                ..designation(given)
            };
            let is_vip = is_designated && !is_paused;
            let (badge, first) = treated(reached, is_designated.then_some(&designation), flag);
            let codes = benefits_of(&badge);
            prop_assert!(codes.is_sorted_by(|a, b| a < b));
            prop_assert!(badge.benefits.iter().all(|had| !had.because.is_empty()));
            prop_assert_eq!(badge.withheld, flag == Some(Flag::DoNotServe));
            prop_assert_eq!(badge.label.icon.is_ok(), is_vip && !badge.withheld);
            let rank = |code: Option<&str>| program().latest().ladder.rank(code.map(tier).as_ref());
            let expected = rank(reached).max(rank(given.filter(|_| is_vip)));
            prop_assert_eq!(rank(tier_of(&badge)), expected);
            // What must end first is had, and for the designation's sake.
            if !badge.withheld {
                prop_assert!(first.iter().all(|code| codes.contains(&code.as_str())));
            }
            prop_assert!(is_vip || first.is_empty());
        }
    }
}
