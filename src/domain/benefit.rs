//! Benefits, the tiers that carry them, and who has which (design, section 4).

use super::Instant;
use super::designation::Priority;
use super::id::BenefitCode;
use super::id::TierCode;
use chrono::Duration;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// The most benefits that a store has.
pub const BENEFITS_MAX: usize = 200;

/// What kind of thing a benefit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Served before others by support.
    PrioritySupport,
    /// Sees releases before others.
    EarlyAccess,
    /// Pays less.
    Discount,
    /// Gets something on top.
    Gift,
    /// Pays no shipping.
    FreeShipping,
    /// Has a person to turn to.
    DedicatedContact,
    /// Is packed for with extra care.
    Packing,
    /// Anything else.
    Other,
}

impl Kind {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 8] = [
        ("priority_support", Self::PrioritySupport),
        ("early_access", Self::EarlyAccess),
        ("discount", Self::Discount),
        ("gift", Self::Gift),
        ("free_shipping", Self::FreeShipping),
        ("dedicated_contact", Self::DedicatedContact),
        ("packing", Self::Packing),
        ("other", Self::Other),
    ];
}

/// Something that a shop does for some of its customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Benefit {
    /// What it is known by.
    pub code: BenefitCode,
    /// The name that people read.
    pub name: String,
    /// What kind of thing it is.
    pub kind: Kind,
    /// Of early access: by how many hours.
    pub early_access_hours: Option<u32>,
    /// Of a discount: how many percent.
    pub discount_percent: Option<Decimal>,
    /// Whom or where to turn to.
    pub contact: Option<String>,
    /// Within how many minutes support answers.
    pub response_minutes: Option<u32>,
    /// Whether a designation that gives it can't be removed before it was taken off.
    pub must_end_first: bool,
}

/// The picture of a tier, on badges and labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is drawn as what it is called")]
pub enum Icon {
    #[default]
    Star,
    Bronze,
    Silver,
    Gold,
    Platinum,
    Diamond,
    Crown,
    Heart,
}

impl Icon {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 8] = [
        ("star", Self::Star),
        ("bronze", Self::Bronze),
        ("silver", Self::Silver),
        ("gold", Self::Gold),
        ("platinum", Self::Platinum),
        ("diamond", Self::Diamond),
        ("crown", Self::Crown),
        ("heart", Self::Heart),
    ];
}

/// How those who hold a tier are treated, but for its benefits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TierTreatment {
    /// The tier's picture.
    pub icon: Icon,
    /// How soon to serve who holds it.
    pub priority: Priority,
    /// The team that sees to them.
    pub team: Option<String>,
    /// Whether reaching it makes a VIP.
    pub designates: bool,
    /// Whether a person has to approve of that.
    pub requires_approval: bool,
}

/// A stretch of time in which a tier carried a benefit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The tier.
    pub tier: TierCode,
    /// The benefit.
    pub benefit: BenefitCode,
    /// From when on.
    pub from: Instant,
    /// When it was taken off the tier; who held the tier before keeps it.
    pub until: Option<Instant>,
}

/// How a store treats its customers: what a program says besides who stands where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Treatment {
    /// The benefits, by code.
    pub benefits: BTreeMap<BenefitCode, Benefit>,
    /// How those are treated who hold a tier, where it differs from the default.
    tiers: BTreeMap<TierCode, TierTreatment>,
    /// Which tier carried which benefit when.
    carried: Vec<Carried>,
    /// Whether the shop's label has a place for the VIP icon.
    pub label_shows_icon: bool,
    /// Whether customers may see that they are VIPs.
    pub vip_visible_to_customers: bool,
}

impl Default for Treatment {
    fn default() -> Self {
        Self::new(BTreeMap::new(), BTreeMap::new(), Vec::new(), true, false)
    }
}

impl Treatment {
    /// Puts one together.
    pub fn new(
        benefits: BTreeMap<BenefitCode, Benefit>,
        tiers: BTreeMap<TierCode, TierTreatment>,
        carried: Vec<Carried>,
        label_shows_icon: bool,
        vip_visible_to_customers: bool,
    ) -> Self {
        Self { benefits, tiers, carried, label_shows_icon, vip_visible_to_customers }
    }

    /// How those are treated who hold a tier.
    pub fn of(&self, tier: &TierCode) -> TierTreatment {
        self.tiers.get(tier).cloned().unwrap_or_default()
    }

    /// Every tier that is not treated by default.
    pub fn tiers(&self) -> &BTreeMap<TierCode, TierTreatment> {
        &self.tiers
    }

    /// Which tier carried which benefit when.
    pub fn carried(&self) -> &[Carried] {
        &self.carried
    }

    /// Sets how those are treated who hold a tier.
    pub fn set(&mut self, tier: &TierCode, treatment: TierTreatment) {
        if treatment == TierTreatment::default() {
            self.tiers.remove(tier);
        } else {
            self.tiers.insert(tier.clone(), treatment);
        }
    }

    /// The benefits that a tier carries now, in the order of their codes.
    pub fn carried_by(&self, tier: &TierCode) -> Vec<BenefitCode> {
        let open = self.carried.iter().filter(|c| c.tier == *tier && c.until.is_none());
        let mut codes: Vec<BenefitCode> = open.map(|c| c.benefit.clone()).collect();
        codes.sort();
        codes
    }

    /// Has a tier carry these benefits and no others from an instant on. What
    /// is taken off stays with those who hold the tier already, where that is
    /// `kept`; else they lose it too.
    pub fn carry(&mut self, tier: &TierCode, codes: &[BenefitCode], now: Instant, kept: bool) {
        let was = self.carried_by(tier);
        let is_taken_off = |code: &BenefitCode| was.contains(code) && !codes.contains(code);
        self.carried.retain_mut(|c| {
            if c.tier != *tier || !is_taken_off(&c.benefit) {
                return true;
            }
            let until = *c.until.get_or_insert(now);
            // Nobody holds what was carried for no time.
            kept && c.from < until
        });
        let held = self.carried_by(tier);
        let mut added: Vec<&BenefitCode> = codes.iter().filter(|c| !held.contains(c)).collect();
        added.sort();
        added.dedup();
        self.carried.extend(added.into_iter().map(|benefit| Carried {
            tier: tier.clone(),
            benefit: benefit.clone(),
            from: now,
            until: None,
        }));
    }

    /// Forgets a tier that nobody holds, with all that it carried.
    pub fn forget(&mut self, tier: &TierCode) {
        self.tiers.remove(tier);
        self.carried.retain(|c| c.tier != *tier);
    }

    /// Takes a benefit away from every tier and from who keeps it.
    pub fn remove(&mut self, benefit: &BenefitCode) {
        self.benefits.remove(benefit);
        self.carried.retain(|c| c.benefit != *benefit);
    }

    /// Whether a tier carries a benefit now.
    pub fn is_carried(&self, benefit: &BenefitCode) -> bool {
        self.carried.iter().any(|c| c.benefit == *benefit && c.until.is_none())
    }

    /// The tiers whose holders may have kept a benefit.
    pub fn kept_by(&self, benefit: &BenefitCode) -> impl Iterator<Item = &TierCode> {
        self.carried.iter().filter(|c| c.benefit == *benefit && c.until.is_some()).map(|c| &c.tier)
    }

    /// The benefits of who has held a tier since an instant, each with whether
    /// it is one that the tier no longer carries. Only permanent tiers let
    /// anybody keep one.
    pub fn held(
        &self,
        tier: &TierCode,
        since: Instant,
        is_permanent: bool,
    ) -> BTreeMap<&Benefit, bool> {
        let mut held = BTreeMap::new();
        for carried in self.carried.iter().filter(|c| c.tier == *tier) {
            let Some(benefit) = self.benefits.get(&carried.benefit) else { continue };
            match carried.until {
                None => {
                    held.insert(benefit, false);
                }
                Some(until) if is_permanent && since < until => {
                    held.entry(benefit).or_insert(true);
                }
                Some(_) => {}
            }
        }
        held
    }
}

impl Ord for Benefit {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code.cmp(&other.code)
    }
}

impl PartialOrd for Benefit {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// By how many hours these benefits bring a release forward.
pub fn hours_early<'a>(benefits: impl IntoIterator<Item = &'a Benefit>) -> u32 {
    benefits.into_iter().filter_map(|benefit| benefit.early_access_hours).max().unwrap_or(0)
}

/// From when on somebody with these benefits has access to a release.
pub fn access_from<'a>(
    benefits: impl IntoIterator<Item = &'a Benefit>,
    release_at: Instant,
) -> Instant {
    let hours = Duration::hours(i64::from(hours_early(benefits)));
    release_at.checked_sub_signed(hours).unwrap_or(release_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(d: u32) -> Instant {
        format!("2024-06-{d:02}T00:00:00Z").parse().unwrap()
    }

    fn gold() -> TierCode {
        TierCode::parse("gold").unwrap()
    }

    fn benefit(code: &str, hours: Option<u32>) -> Benefit {
        Benefit {
            code: BenefitCode::parse(code).unwrap(),
            name: code.to_uppercase(),
            kind: Kind::EarlyAccess,
            early_access_hours: hours,
            discount_percent: None,
            contact: None,
            response_minutes: None,
            must_end_first: false,
        }
    }

    fn codes(texts: &[&str]) -> Vec<BenefitCode> {
        texts.iter().map(|text| BenefitCode::parse(text).unwrap()).collect()
    }

    fn treatment(known: &[&str]) -> Treatment {
        let benefits = known.iter().map(|code| benefit(code, None));
        Treatment {
            benefits: benefits.map(|b| (b.code.clone(), b)).collect(),
            ..Treatment::default()
        }
    }

    fn held(treatment: &Treatment, since: Instant) -> Vec<(&str, bool)> {
        let held = treatment.held(&gold(), since, true);
        held.into_iter().map(|(benefit, kept)| (benefit.code.as_str(), kept)).collect()
    }

    #[test]
    fn who_holds_a_tier_keeps_what_is_taken_off_it_and_who_comes_later_has_it_not() {
        let mut treatment = treatment(&["gift", "line"]);
        treatment.carry(&gold(), &codes(&["gift", "line"]), day(1), true);
        treatment.carry(&gold(), &codes(&["line"]), day(10), true);
        assert_eq!(treatment.carried_by(&gold()), codes(&["line"]));
        assert_eq!(held(&treatment, day(9)), [("gift", true), ("line", false)]);
        assert_eq!(held(&treatment, day(10)), [("line", false)]);
        // Given back, it is everyone's again.
        treatment.carry(&gold(), &codes(&["line", "gift"]), day(20), true);
        assert_eq!(held(&treatment, day(15)), [("gift", false), ("line", false)]);
    }

    #[test]
    fn for_everyone_takes_it_from_those_who_hold_the_tier_too() {
        let mut treatment = treatment(&["gift", "line"]);
        treatment.carry(&gold(), &codes(&["gift", "line"]), day(1), true);
        treatment.carry(&gold(), &codes(&["line"]), day(10), false);
        assert_eq!(held(&treatment, day(1)), [("line", false)]);
        // What they have kept from another change stays theirs.
        treatment.carry(&gold(), &codes(&["gift"]), day(11), true);
        treatment.carry(&gold(), &[], day(12), false);
        assert_eq!(held(&treatment, day(1)), [("line", true)]);
    }

    #[test]
    fn the_same_again_changes_nothing() {
        let mut treatment = treatment(&["gift"]);
        treatment.carry(&gold(), &codes(&["gift"]), day(1), true);
        let before = treatment.clone();
        treatment.carry(&gold(), &codes(&["gift"]), day(2), true);
        assert_eq!(treatment, before);
        // Taken off at the instant at which it came, it was never held.
        treatment.carry(&gold(), &[], day(1), true);
        assert!(treatment.carried().is_empty());
    }

    #[test]
    fn the_longest_early_access_counts() {
        let benefits = [benefit("a", Some(24)), benefit("b", Some(168)), benefit("c", None)];
        assert_eq!(hours_early(&benefits), 168);
        assert_eq!(access_from(&benefits, day(15)), day(8));
        assert_eq!(access_from(&benefits[2..], day(15)), day(15));
    }

    #[test]
    fn a_tier_that_is_forgotten_carries_nothing_and_a_benefit_that_is_removed_is_on_no_tier() {
        let silver = TierCode::parse("silver").unwrap();
        let vips = TierTreatment { designates: true, ..TierTreatment::default() };
        let mut treatment = treatment(&["gift", "line"]);
        for tier in [&gold(), &silver] {
            treatment.carry(tier, &codes(&["gift", "line"]), day(1), true);
            treatment.set(tier, vips.clone());
        }
        treatment.remove(&codes(&["gift"])[0]);
        assert_eq!(treatment.benefits.keys().cloned().collect::<Vec<_>>(), codes(&["line"]));
        let carried = |treatment: &Treatment| -> Vec<(TierCode, BenefitCode)> {
            treatment.carried().iter().map(|c| (c.tier.clone(), c.benefit.clone())).collect()
        };
        let line = codes(&["line"]).remove(0);
        assert_eq!(carried(&treatment), [(gold(), line.clone()), (silver.clone(), line.clone())]);
        treatment.forget(&gold());
        assert_eq!(carried(&treatment), [(silver.clone(), line)]);
        assert_eq!(treatment.of(&gold()), TierTreatment::default());
        assert_eq!(treatment.tiers().iter().collect::<Vec<_>>(), [(&silver, &vips)]);
    }

    #[test]
    fn a_benefit_is_carried_by_a_tier_now_or_kept_from_before() {
        let silver = TierCode::parse("silver").unwrap();
        let (gift, line) = (codes(&["gift"]).remove(0), codes(&["line"]).remove(0));
        let mut treatment = treatment(&["gift", "line"]);
        treatment.carry(&gold(), std::slice::from_ref(&gift), day(1), true);
        treatment.carry(&silver, std::slice::from_ref(&line), day(1), true);
        treatment.carry(&gold(), &[], day(10), true);
        assert_eq!((treatment.is_carried(&gift), treatment.is_carried(&line)), (false, true));
        assert_eq!(treatment.kept_by(&gift).collect::<Vec<_>>(), [&gold()]);
        assert_eq!(treatment.kept_by(&line).count(), 0);
    }

    #[test]
    fn benefits_stand_in_the_order_of_their_codes() {
        assert!(benefit("a", Some(168)) < benefit("b", None));
        assert!(benefit("b", None) > benefit("a", Some(168)));
    }
}
