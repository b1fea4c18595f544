//! What is told of a membership at an instant.

use super::{Achievements, Figures, Fold, Held, Joining, State};
use crate::domain::Instant;
use crate::domain::earning::{Reward, shown};
use crate::domain::period::Period;
use crate::domain::program::{EntryMethod, Program, TierRetention};
use crate::domain::tier::Tier;

/// Where one customer stands at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The instant that this holds for.
    pub as_of: Instant,
    /// The tier held, the higher of the fold's and the achieved.
    pub tier: Option<(Tier, Instant)>,
    /// Whether a tier once reached is kept for good, by the rules then in force.
    pub permanent: bool,
    /// Whether the program is paused then.
    pub paused: bool,
    /// What the thresholds are measured against, by the rules then in force.
    pub entry_method: EntryMethod,
    /// What counts toward the next tier.
    pub progress: Figures,
    /// The next tier; `None` at the top.
    pub next_tier: Option<NextTier>,
    /// The open period. Its end is unknown while a pause keeps it open.
    pub period: Option<Period>,
    /// All that was ever spent, ordered and earned here.
    pub lifetime: Figures,
    /// What the tier gives back on orders, by the rewards that the customer has kept.
    pub reward: Option<Reward>,
    /// When the customer was enrolled.
    pub enrolled_at: Option<Instant>,
}

/// The next tier and what is missing to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextTier {
    /// The tier.
    pub tier: Tier,
    /// Its threshold, in the entry method's unit.
    pub threshold: i64,
    /// What is missing, never below zero.
    pub remaining: i64,
    /// Whether the next order that raises the progress lifts, however little
    /// it does: a threshold lowered below the progress waits for one.
    pub next_order_lifts: bool,
}

impl Membership {
    /// Where a customer stands at an instant that is not before the state's
    /// newest fact. An earlier one needs a fold that ends there.
    pub fn at(
        program: &Program,
        joining: Joining,
        state: State,
        achievements: &Achievements,
        at: Instant,
    ) -> Self {
        let mut fold = Fold::resume(program, joining, state);
        fold.advance(at);
        let state = fold.state();
        let rules = program.rules_at(at);
        let held = achievements.tier_at(&rules.ladder, state, at);
        let progress = state.progress.of(rules.entry_method);
        let rank = rules.ladder.rank(held.as_ref().map(|held| &held.code));
        let next_tier = rules.ladder.next_above(rank).and_then(|tier| {
            let threshold = tier.threshold?;
            let remaining = threshold.saturating_sub(progress).max(0);
            let next_order_lifts = match rules.entry_method {
                EntryMethod::AmountSpent => remaining == 0,
                EntryMethod::OrdersPlaced => remaining <= 1,
                EntryMethod::PointsEarned => {
                    let tier = state.tier.as_ref().map(|held| &held.code);
                    remaining == 0 && !rules.points_per_unit_of(tier).is_zero()
                }
            };
            Some(NextTier { tier: tier.clone(), threshold, remaining, next_order_lifts })
        });
        let rewards = held.as_ref().map(|held| program.rewards(held, at));
        let reward = shown(&rewards.unwrap_or_default());
        let find = |Held { code, since }: Held| {
            let tier = rules.ladder.find(&code).or_else(|| program.latest().ladder.find(&code));
            tier.map(|tier| (tier.clone(), since))
        };
        Self {
            as_of: at,
            tier: held.and_then(find),
            permanent: rules.tier_retention == TierRetention::Permanent,
            paused: program.is_paused(at),
            entry_method: rules.entry_method,
            progress: state.progress,
            next_tier,
            period: state.period.map(|period| Period { end: fold.period_end(), ..period }),
            lifetime: state.lifetime,
            reward,
            enrolled_at: state.enrolled_at,
        }
    }
}
