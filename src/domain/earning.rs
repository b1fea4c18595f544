//! What customers earn: the rewards of tiers, the ways to earn points, and the
//! terms that one order or activity earns by (design, sections 2 and 4).

use super::badge::Known;
use super::designation::{Designation, State};
use super::fact::Worth;
use super::id::{TierCode, WayCode};
use super::ledger::Balance;
use super::membership::Held;
use super::money::{Currency, points_for, rounded_share};
use super::program::{Program, Rules, TierRetention};
use super::tier::{Ladder, Tier};
use super::{Instant, Overflow};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::collections::BTreeMap;

/// The most ways to earn that a store has.
pub const WAYS_MAX: usize = 100;

/// What a tier gives back on an order, as store credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reward {
    /// A share of the order's total, above 0 and at most 1.
    Rate(Decimal),
    /// An amount for each order, in minor units, above zero.
    Amount(i64),
}

impl Reward {
    /// The credit of an order of which `net` is left of its total. Rounded
    /// half up to the currency's smallest unit; a fixed amount is earned by the
    /// share of the order that was not refunded, and by an order of zero not at all.
    ///
    /// # Errors
    /// [`Overflow`] where it does not fit.
    pub fn credit(self, total: i64, net: i64) -> Result<i64, Overflow> {
        match self {
            Self::Rate(rate) => {
                let whole = 10_i128.checked_pow(rate.scale()).ok_or(Overflow)?;
                rounded_share(net, rate.mantissa(), whole)
            }
            Self::Amount(_) if total == 0 => Ok(0),
            Self::Amount(amount) => rounded_share(net, amount.into(), total.into()),
        }
    }
}

/// What a way to earn gives points for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earns {
    /// Each unit of the currency that is left of an order's total.
    PerCurrencyUnit,
    /// Something that a customer does: signs up, writes a review, has a birthday.
    PerEvent,
}

impl Earns {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 2] =
        [("per_currency_unit", Self::PerCurrencyUnit), ("per_event", Self::PerEvent)];
}

/// A way to earn points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// What it is known by.
    pub code: WayCode,
    /// The name that people read.
    pub name: String,
    /// What it gives points for.
    pub earns: Earns,
    /// The points of who holds a tier that `by_tier` does not name, or none; of
    /// an event, a whole number.
    pub points: Decimal,
    /// The points of who holds one of these tiers.
    pub by_tier: BTreeMap<TierCode, Decimal>,
}

impl Way {
    fn points_of(&self, tier: Option<&TierCode>) -> Decimal {
        tier.and_then(|tier| self.by_tier.get(tier)).copied().unwrap_or(self.points)
    }
}

/// Why a way to earn can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWay {
    /// An order earns points once.
    #[error("the way to earn {0} gives points by currency unit already: a store has one such way")]
    OtherPerUnit(WayCode),
    /// Activities name it by what it is.
    #[error("what a way to earn gives points for never changes: delete it and put another")]
    EarnsFixed,
    /// More than [`WAYS_MAX`].
    #[error("a store has at most {WAYS_MAX} ways to earn")]
    TooMany,
}

/// The ways to earn of some rules. What a unit of currency earns by default is
/// said by [`Rules::points_per_unit`], whether or not there is a way for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ways(BTreeMap<WayCode, Way>);

impl Ways {
    fn per_unit(&self) -> Option<&Way> {
        self.0.values().find(|way| way.earns == Earns::PerCurrencyUnit)
    }

    /// Each tier that a way has points of its own for.
    pub fn tiers(&self) -> impl Iterator<Item = &TierCode> {
        self.0.values().flat_map(|way| way.by_tier.keys())
    }
}

impl Rules {
    /// The ways to earn, by code.
    pub fn ways(&self) -> Vec<Way> {
        self.ways.0.keys().filter_map(|code| self.way(code)).collect()
    }

    /// The way to earn of a code.
    pub fn way(&self, code: &WayCode) -> Option<Way> {
        let way = self.ways.0.get(code)?;
        let points = match way.earns {
            Earns::PerCurrencyUnit => self.points_per_unit,
            Earns::PerEvent => way.points,
        };
        Some(Way { points, ..way.clone() })
    }

    /// Puts a way to earn, in the place of the one of its code.
    ///
    /// # Errors
    /// [`InvalidWay`].
    pub fn put_way(&mut self, way: Way) -> Result<(), InvalidWay> {
        match self.ways.0.get(&way.code) {
            Some(known) if known.earns != way.earns => return Err(InvalidWay::EarnsFixed),
            None if self.ways.0.len() >= WAYS_MAX => return Err(InvalidWay::TooMany),
            _ => {}
        }
        if way.earns == Earns::PerCurrencyUnit {
            if let Some(other) = self.ways.per_unit().filter(|other| other.code != way.code) {
                return Err(InvalidWay::OtherPerUnit(other.code.clone()));
            }
            self.points_per_unit = way.points;
        }
        let points = match way.earns {
            // `points_per_unit` says it.
            Earns::PerCurrencyUnit => Decimal::ZERO,
            Earns::PerEvent => way.points,
        };
        self.ways.0.insert(way.code.clone(), Way { points, ..way });
        Ok(())
    }

    /// Removes a way to earn; whether there was one.
    pub fn remove_way(&mut self, code: &WayCode) -> bool {
        self.ways.0.remove(code).is_some()
    }

    /// The points by currency unit of who holds a tier.
    pub fn points_per_unit_of(&self, tier: Option<&TierCode>) -> Decimal {
        let of_tier = |way: &Way| tier.and_then(|tier| way.by_tier.get(tier)).copied();
        self.ways.per_unit().and_then(of_tier).unwrap_or(self.points_per_unit)
    }

    /// The points that an event gives to who holds a tier; none where these
    /// rules have no such way to earn.
    pub fn points_of_event(&self, code: &WayCode, tier: Option<&TierCode>) -> Decimal {
        let way = self.ways.0.get(code).filter(|way| way.earns == Earns::PerEvent);
        way.map(|way| way.points_of(tier)).unwrap_or_default()
    }
}

/// Points of an event, which are whole.
pub fn whole(points: Decimal) -> i64 {
    points.trunc().to_i64().unwrap_or(i64::MAX)
}

/// The tier that counts for what a customer earns: the higher of the one that
/// was reached and the one that was given; of one tier, the earlier.
pub fn effective(ladder: &Ladder, reached: Option<Held>, given: Option<Held>) -> Option<Held> {
    let rank = |held: &Held| (ladder.rank(Some(&held.code)), std::cmp::Reverse(held.since));
    reached.into_iter().chain(given).max_by_key(rank)
}

impl Designation {
    /// The tier that this had given before an instant, if it is active then.
    pub fn gave(&self, at: Instant) -> Option<Held> {
        let is_given = self.tier_at < at && self.state(at) == State::Active;
        let code = self.tier.clone().filter(|_| is_given)?;
        Some(Held { code, since: self.tier_at })
    }
}

/// The terms that one order or activity earns by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// The effective tier that the customer held before it.
    pub tier: Option<TierCode>,
    /// What the tier gave back.
    pub reward: Option<Reward>,
    /// The points by currency unit, or of the event.
    pub points: Decimal,
}

impl Terms {
    /// The terms of an order of a total, for who has held a tier. Of several
    /// rewards that the customer has kept it is the one that gives the most.
    ///
    /// # Errors
    /// [`Overflow`] where credit does not fit.
    pub fn of_order(
        program: &Program,
        held: Option<&Held>,
        at: Instant,
        total: i64,
    ) -> Result<Self, Overflow> {
        let rewards = held.map(|held| program.rewards(held, at)).unwrap_or_default();
        let credit = |reward: Option<Reward>| reward.map_or(Ok(0), |r| r.credit(total, total));
        let mut best = shown(&rewards);
        for reward in rewards.into_iter().map(Some) {
            if credit(reward)? > credit(best)? {
                best = reward;
            }
        }
        let tier = held.map(|held| held.code.clone());
        let points = program.rules_at(at).points_per_unit_of(tier.as_ref());
        Ok(Self { tier, reward: best, points })
    }

    /// The terms of a points activity: for what the shop states one point for
    /// each, and else those of the event.
    pub fn of_activity(program: &Program, held: Option<&Held>, at: Instant, worth: &Worth) -> Self {
        let tier = held.map(|held| held.code.clone());
        let points = match worth {
            Worth::Points(_) => Decimal::ONE,
            Worth::Event(way) => program.rules_at(at).points_of_event(way, tier.as_ref()),
        };
        Self { tier, reward: None, points }
    }

    /// What an order of a total of which `net` is left earns by them.
    ///
    /// # Errors
    /// [`Overflow`] where it does not fit.
    pub fn earn(&self, currency: Currency, total: i64, net: i64) -> Result<Balance, Overflow> {
        Ok(Balance {
            credit: self.reward.map_or(Ok(0), |reward| reward.credit(total, net))?,
            points: points_for(net, currency, self.points)?,
        })
    }
}

impl Program {
    /// The rewards of who has held a tier, for an order at an instant: the one
    /// in force, the last; and, where tiers are permanent, before it those
    /// that were in force since the tier is held (design, section 4).
    pub fn rewards(&self, held: &Held, at: Instant) -> Vec<Reward> {
        let keeps = self.rules_at(at).tier_retention == TierRetention::Permanent;
        let mut ends = self.revisions().iter().skip(1).map(|next| next.effective_from);
        let mut rewards = Vec::new();
        for (i, revision) in self.revisions().iter().enumerate() {
            let end = ends.next().filter(|end| *end <= at);
            // The first revision also judges what is older than itself.
            let has_begun = i == 0 || revision.effective_from <= at;
            let is_had = end.is_none_or(|end| keeps && held.since < end);
            if has_begun && is_had {
                let tier = revision.rules.ladder.find(&held.code);
                rewards.extend(tier.and_then(|tier| tier.reward));
            }
        }
        rewards
    }
}

/// The reward that stands for several, where no order is at hand: the highest
/// rate, or else the highest amount.
pub fn shown(rewards: &[Reward]) -> Option<Reward> {
    let rates = rewards.iter().filter_map(|reward| match reward {
        Reward::Rate(rate) => Some(*rate),
        Reward::Amount(_) => None,
    });
    let amounts = rewards.iter().filter_map(|reward| match reward {
        Reward::Rate(_) => None,
        Reward::Amount(amount) => Some(*amount),
    });
    rates.max().map(Reward::Rate).or(amounts.max().map(Reward::Amount))
}

/// What orders earn for a customer from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The tier that they earn by.
    pub tier: Option<Tier>,
    /// By what terms.
    pub terms: Terms,
}

/// What the next order earns, of a total where that is given, and what it would
/// at the next tier; nothing while the program is paused, and to who is not
/// enrolled yet.
///
/// # Errors
/// [`Overflow`] where credit does not fit.
pub fn offers(known: &Known<'_>, total: Option<i64>) -> Result<(Offer, Option<Offer>), Overflow> {
    let (program, now) = (known.program, known.now);
    let ladder = &program.latest().ladder;
    let reached = known.membership.tier.as_ref();
    let reached = reached.map(|(tier, since)| Held { code: tier.code.clone(), since: *since });
    let held =
        effective(ladder, reached, known.designation.and_then(|designation| designation.gave(now)));
    let rank = ladder.rank(held.as_ref().map(|held| &held.code));
    let next = ladder.next_above(rank).map(|tier| Held { code: tier.code.clone(), since: now });
    let is_enrolled = known.membership.enrolled_at.is_some_and(|enrolled| enrolled <= now);
    let counts = is_enrolled && !program.is_paused(now);
    let offer = |held: Option<Held>| {
        let tier = held.as_ref().and_then(|held| ladder.find(&held.code)).cloned();
        let mut terms = Terms::of_order(program, held.as_ref(), now, total.unwrap_or(0))?;
        if !counts {
            terms = Terms { tier: terms.tier, ..Terms::default() };
        }
        Ok(Offer { tier, terms })
    };
    Ok((offer(held)?, next.map(|held| offer(Some(held))).transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::{EffectiveFrom, Settings, pause, set_up};
    use crate::domain::membership::{Achievements, Joining, Membership, State as Told};
    use crate::domain::period::ProgressReset;
    use crate::domain::program::{EntryMethod, Revision};
    use proptest::prelude::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn rate(text: &str) -> Reward {
        Reward::Rate(text.parse().unwrap())
    }

    fn gold() -> TierCode {
        TierCode::parse("gold").unwrap()
    }

    fn rules(retention: TierRetention, reward: Option<Reward>) -> Rules {
        let tier =
            Tier { code: gold(), name: "Gold".into(), rank: 1, threshold: Some(50_000), reward };
        Rules {
            entry_method: EntryMethod::AmountSpent,
            progress_reset: ProgressReset::CalendarYear,
            tier_retention: retention,
            points_per_unit: 1.into(),
            ways: Ways::default(),
            ladder: Ladder::new(vec![tier]).unwrap(),
        }
    }

    /// A program that has given these rewards to gold, a month each.
    fn program(retention: TierRetention, rewards: &[Option<Reward>]) -> Program {
        let revision = |(number, reward): (i64, &Option<Reward>)| Revision {
            number,
            effective_from: at(&format!("2024-{number:02}-01T00:00:00Z")),
            rules: rules(retention, *reward),
        };
        let gbp = Currency::parse("GBP").unwrap();
        let start = "2024-01-01".parse().unwrap();
        let revisions = (1_i64..).zip(rewards).map(revision).collect();
        Program::new("VIP".into(), gbp, chrono_tz::UTC, start, 90, revisions, vec![]).unwrap()
    }

    fn held(since: &str) -> Held {
        Held { code: gold(), since: at(since) }
    }

    /// One that has given gold since February.
    fn designation() -> Designation {
        Designation {
            tier: Some(gold()),
            tier_at: at("2024-02-01T00:00:00Z"),
            is_paused: false,
            since: "2024-02-01".parse().unwrap(),
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
            designated_at: at("2024-02-01T00:00:00Z"),
            ended: None,
        }
    }

    #[test]
    fn credit_is_rounded_half_up_to_the_smallest_unit() {
        // 5 % of 1.10 is 5.5 pence; of 150 yen at 1 %, 1.5 yen; of 0.010 dinars, half a fils.
        for (reward, net, credit) in [
            (rate("0.05"), 110, 6),
            (rate("0.05"), 109, 5),
            (rate("0.01"), 150, 2),
            (rate("0.01"), 149, 1),
            (rate("0.05"), 10, 1),
            (rate("0.05"), 9, 0),
            (rate("1"), i64::MAX, i64::MAX),
        ] {
            assert_eq!(reward.credit(net, net), Ok(credit), "{reward:?} {net}");
        }
    }

    #[test]
    fn a_fixed_amount_is_earned_by_the_share_of_the_order_that_is_left() {
        let reward = Reward::Amount(500);
        assert_eq!(reward.credit(10_000, 10_000), Ok(500));
        assert_eq!(reward.credit(10_000, 5_000), Ok(250));
        assert_eq!(reward.credit(3, 1), Ok(167));
        assert_eq!(reward.credit(10_000, 0), Ok(0));
        assert_eq!(reward.credit(0, 0), Ok(0));
    }

    #[test]
    fn a_reward_lowered_later_holds_for_those_who_reach_the_tier_afterwards() {
        use TierRetention::{Permanent, ResetEachPeriod};
        let (five, three) = (Some(rate("0.05")), Some(rate("0.03")));
        let later = at("2024-06-01T00:00:00Z");
        let early = held("2024-01-15T00:00:00Z");
        let late = held("2024-02-01T00:00:00Z");
        let lowered = program(Permanent, &[five, three]);
        assert_eq!(lowered.rewards(&early, later), [rate("0.05"), rate("0.03")]);
        assert_eq!(lowered.rewards(&late, later), [rate("0.03")]);
        // Before it was lowered, it was what it was.
        assert_eq!(lowered.rewards(&early, at("2024-01-20T00:00:00Z")), [rate("0.05")]);
        // What is older than the first revision is judged by it.
        let old = held("2020-01-01T00:00:00Z");
        assert_eq!(lowered.rewards(&old, at("2020-06-01T00:00:00Z")), [rate("0.05")]);
        assert_eq!(program(Permanent, &[five, None]).rewards(&early, later), [rate("0.05")]);
        assert_eq!(program(Permanent, &[five, None]).rewards(&late, later), []);
        assert_eq!(program(ResetEachPeriod, &[five, three]).rewards(&early, later), [rate("0.03")]);
    }

    #[test]
    fn of_several_rewards_an_order_earns_by_the_one_that_gives_the_most() {
        let program =
            program(TierRetention::Permanent, &[Some(Reward::Amount(500)), Some(rate("0.05"))]);
        let holder = held("2024-01-15T00:00:00Z");
        let later = at("2024-06-01T00:00:00Z");
        let of = |total| Terms::of_order(&program, Some(&holder), later, total).unwrap();
        assert_eq!(of(9_900).reward, Some(Reward::Amount(500)));
        assert_eq!(of(10_000).reward, Some(rate("0.05")));
        assert_eq!(of(0).reward, Some(rate("0.05")), "nothing to choose by");
        assert_eq!(of(20_000).earn(program.currency, 20_000, 20_000).unwrap().credit, 1_000);
        let nobody = Terms::of_order(&program, None, later, 9_900).unwrap();
        assert_eq!((nobody.tier, nobody.reward, nobody.points), (None, None, Decimal::ONE));
    }

    #[test]
    fn the_higher_tier_counts_and_of_one_tier_the_earlier() {
        let ladder = rules(TierRetention::Permanent, None).ladder;
        let (early, late) = (held("2024-01-15T00:00:00Z"), held("2024-02-01T00:00:00Z"));
        let other = Held { code: TierCode::parse("other").unwrap(), since: late.since };
        assert_eq!(
            effective(&ladder, Some(late.clone()), Some(early.clone())),
            Some(early.clone())
        );
        assert_eq!(effective(&ladder, Some(other), Some(late.clone())), Some(late));
        assert_eq!(effective(&ladder, Some(early.clone()), None), Some(early));
        assert_eq!(effective(&ladder, None, None), None);
    }

    #[test]
    fn ways_to_earn_go_by_tier() {
        let mut rules = rules(TierRetention::Permanent, None);
        let code = |text: &str| WayCode::parse(text).unwrap();
        let way = |text: &str, earns, points: i64, of_gold: i64| Way {
            code: code(text),
            name: text.to_owned(),
            earns,
            points: points.into(),
            by_tier: BTreeMap::from([(gold(), of_gold.into())]),
        };
        assert_eq!(rules.points_per_unit_of(Some(&gold())), Decimal::ONE);
        rules.put_way(way("order", Earns::PerCurrencyUnit, 2, 4)).unwrap();
        rules.put_way(way("review", Earns::PerEvent, 50, 100)).unwrap();
        assert_eq!(rules.points_per_unit, 2.into());
        assert_eq!(rules.points_per_unit_of(Some(&gold())), 4.into());
        assert_eq!(rules.points_per_unit_of(None), 2.into());
        assert_eq!(rules.points_of_event(&code("review"), Some(&gold())), 100.into());
        assert_eq!(rules.points_of_event(&code("review"), None), 50.into());
        assert_eq!(rules.points_of_event(&code("order"), None), 0.into());
        // The program's setting is the way's default.
        rules.points_per_unit = 3.into();
        assert_eq!(rules.way(&code("order")).map(|way| way.points), Some(3.into()));
        let other = rules.put_way(way("spend", Earns::PerCurrencyUnit, 1, 1));
        assert_eq!(other, Err(InvalidWay::OtherPerUnit(code("order"))));
        let changed = rules.put_way(way("review", Earns::PerCurrencyUnit, 1, 1));
        assert_eq!(changed, Err(InvalidWay::EarnsFixed));
        assert!(rules.remove_way(&code("order")) && !rules.remove_way(&code("order")));
        assert_eq!(rules.points_per_unit_of(Some(&gold())), 3.into());
        for i in 1..WAYS_MAX {
            rules.put_way(way(&format!("w{i}"), Earns::PerEvent, 1, 1)).unwrap();
        }
        let one_more = rules.put_way(way("more", Earns::PerEvent, 1, 1));
        assert_eq!(one_more, Err(InvalidWay::TooMany));
    }

    #[test]
    fn of_rewards_that_give_as_much_an_order_earns_by_the_one_that_is_shown() {
        let rewards = [Some(rate("0.05")), Some(Reward::Amount(500))];
        let program = program(TierRetention::Permanent, &rewards);
        let (holder, later) = (held("2024-01-15T00:00:00Z"), at("2024-06-01T00:00:00Z"));
        let of = |total| Terms::of_order(&program, Some(&holder), later, total).unwrap().reward;
        assert_eq!(of(10_000), Some(rate("0.05")));
        assert_eq!(of(9_900), Some(Reward::Amount(500)));
    }

    #[test]
    fn an_activity_earns_a_point_for_each_that_is_stated_or_those_of_the_event() {
        let mut rules = rules(TierRetention::Permanent, None);
        let review = WayCode::parse("review").unwrap();
        let way = Way {
            code: review.clone(),
            name: "Review".into(),
            earns: Earns::PerEvent,
            points: 50.into(),
            by_tier: BTreeMap::from([(gold(), 100.into())]),
        };
        rules.put_way(way.clone()).unwrap();
        assert_eq!(rules.ways(), [way]);
        let program = program(TierRetention::Permanent, &[None]);
        let settings = Settings { rules, ..Settings::of(&program) };
        let program = set_up(settings, at("2024-01-01T00:00:00Z")).unwrap();
        let now = at("2024-06-01T00:00:00Z");
        let of = |held: Option<&Held>, worth| Terms::of_activity(&program, held, now, &worth);
        let gold_held = held("2024-01-15T00:00:00Z");
        let terms = |tier, points: i64| Terms { tier, reward: None, points: points.into() };
        assert_eq!(of(Some(&gold_held), Worth::Points(7)), terms(Some(gold()), 1));
        assert_eq!(of(Some(&gold_held), Worth::Event(review.clone())), terms(Some(gold()), 100));
        assert_eq!(of(None, Worth::Event(review)), terms(None, 50));
    }

    #[test]
    fn what_a_unit_of_currency_earns_is_said_in_one_place() {
        let order = |points: i64| Way {
            code: WayCode::parse("order").unwrap(),
            name: "Order".into(),
            earns: Earns::PerCurrencyUnit,
            points: points.into(),
            by_tier: BTreeMap::new(),
        };
        let mut by_setting = rules(TierRetention::Permanent, None);
        by_setting.put_way(order(2)).unwrap();
        by_setting.points_per_unit = 3.into();
        let mut by_way = rules(TierRetention::Permanent, None);
        for points in [9, 3] {
            by_way.put_way(order(points)).unwrap();
        }
        assert_eq!(by_setting, by_way);
    }

    #[test]
    fn a_designation_gives_its_tier_from_after_its_instant_on_while_it_is_active() {
        let designation = designation();
        assert_eq!(designation.gave(at("2024-02-01T00:00:00Z")), None);
        let given = held("2024-02-01T00:00:00Z");
        assert_eq!(designation.gave(at("2024-02-01T00:00:00.000001Z")), Some(given));
        let paused = Designation { is_paused: true, ..designation.clone() };
        assert_eq!(paused.gave(at("2024-03-01T00:00:00Z")), None);
        let without = Designation { tier: None, ..designation };
        assert_eq!(without.gave(at("2024-03-01T00:00:00Z")), None);
    }

    #[test]
    fn the_next_order_earns_by_the_tier_that_counts_and_more_at_the_next() {
        let program = program(TierRetention::Permanent, &[Some(rate("0.05"))]);
        let now = at("2024-06-01T00:00:00Z");
        let offered = |program: &Program, designation: Option<&Designation>, enrolled: &str| {
            let joining = Joining { joined_at: None, created_at: at("2024-01-01T00:00:00Z") };
            let nothing = Achievements::default();
            let mut membership = Membership::at(program, joining, Told::default(), &nothing, now);
            membership.enrolled_at = Some(at(enrolled));
            let known = Known {
                program,
                flag: None,
                print_vip_icon: true,
                membership: &membership,
                designation,
                now,
            };
            let (offer, next) = offers(&known, Some(10_000)).unwrap();
            assert_eq!(offer.tier.map(|tier| tier.code), offer.terms.tier);
            (offer.terms, next.map(|next| next.terms))
        };
        let terms = |tier: Option<TierCode>, reward, points: i64| Terms {
            tier,
            reward,
            points: points.into(),
        };
        let (enrolled, five) = ("2024-06-01T00:00:00Z", Some(rate("0.05")));
        let at_gold = terms(Some(gold()), five, 1);
        assert_eq!(
            offered(&program, None, enrolled),
            (terms(None, None, 1), Some(at_gold.clone()))
        );
        assert_eq!(offered(&program, Some(&designation()), enrolled), (at_gold, None));
        // Who is not enrolled yet earns nothing, and nobody does while it is paused.
        let nothing = (terms(None, None, 0), Some(terms(Some(gold()), None, 0)));
        assert_eq!(offered(&program, None, "2024-06-01T00:00:00.000001Z"), nothing);
        let (paused, _) = pause(&program, EffectiveFrom::Now, now).unwrap();
        assert_eq!(offered(&paused, None, enrolled), nothing);
    }

    proptest! {
        #[test]
        fn what_refunds_take_back_adds_up_to_what_was_earned(
            total in 1_i64..1_000_000_000, mantissa in 1_i64..=10_000, fixed in 1_i64..1_000_000,
            parts in prop::collection::vec(0_i64..1_000_000_000, 0..8),
        ) {
            for reward in [Reward::Rate(Decimal::new(mantissa, 4)), Reward::Amount(fixed)] {
                let mut net = total;
                let mut left = reward.credit(total, net).unwrap();
                for part in &parts {
                    net -= (*part).min(net);
                    let now = reward.credit(total, net).unwrap();
                    prop_assert!(0 <= now && now <= left);
                    left = now;
                }
                prop_assert_eq!(reward.credit(total, 0), Ok(0));
            }
        }
    }
}
