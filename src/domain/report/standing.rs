//! How customers stand, by their tiers.

use crate::domain::designation::State;
use crate::domain::id::TierCode;
use crate::domain::tier::{Ladder, Tier};

/// The higher of two tiers by the ladder; a code that it does not have is none.
pub fn higher<'a>(
    ladder: &'a Ladder,
    one: Option<&TierCode>,
    other: Option<&TierCode>,
) -> Option<&'a Tier> {
    let tiers = [one, other].into_iter().flatten().filter_map(|code| ladder.find(code));
    tiers.max_by_key(|tier| tier.rank)
}

/// How many customers stand in the same way. What several groups say adds up,
/// so that one may take away what another counts too much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The membership's tier.
    pub reached: Option<TierCode>,
    /// The designation's tier.
    pub given: Option<TierCode>,
    /// The designation's state; `None` where there never was one.
    pub state: Option<State>,
    /// How many they are; below zero where they are to be taken away.
    pub customers: i64,
}

impl Group {
    /// The effective tier: the higher of the membership's and an active designation's.
    pub fn tier<'a>(&self, ladder: &'a Ladder) -> Option<&'a Tier> {
        let is_active = self.state == Some(State::Active);
        higher(ladder, self.reached.as_ref(), self.given.as_ref().filter(|_| is_active))
    }
}

/// A line of a report by tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierLine<T> {
    /// The tier; `None` of the customers who have none.
    pub tier: Option<Tier>,
    /// What there is to say of its customers.
    pub figures: T,
}

/// A report by tier: a line for each by falling rank, and one for no tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByTier<T>(Vec<TierLine<T>>);

impl<T: Default> ByTier<T> {
    /// One in which nothing is said yet.
    pub fn new(ladder: &Ladder) -> Self {
        let tiers = ladder.tiers().iter().rev().cloned().map(Some);
        let line = |tier| TierLine { tier, figures: T::default() };
        Self(tiers.chain([None]).map(line).collect())
    }

    /// Says something of a tier's customers.
    pub fn add(&mut self, tier: Option<&Tier>, say: impl FnOnce(&mut T)) {
        let code = tier.map(|tier| &tier.code);
        let is_it = |line: &&mut TierLine<T>| line.tier.as_ref().map(|tier| &tier.code) == code;
        if let Some(line) = self.0.iter_mut().find(is_it) {
            say(&mut line.figures);
        }
    }

    /// The lines, in their order.
    pub fn into_lines(self) -> Vec<TierLine<T>> {
        self.0
    }
}

/// How many customers of a tier have a designation of which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each counts the state that it is called by")]
pub struct StateCounts {
    pub active: i64,
    pub paused: i64,
    pub cancelled: i64,
    pub never: i64,
}

impl StateCounts {
    /// Adds customers whose designation is in a state.
    pub fn add(&mut self, state: Option<State>, customers: i64) {
        let count = match state {
            Some(State::Active) => &mut self.active,
            Some(State::Paused) => &mut self.paused,
            Some(State::Cancelled) => &mut self.cancelled,
            None => &mut self.never,
        };
        *count = count.saturating_add(customers);
    }

    /// All of them.
    pub fn total(&self) -> i64 {
        let counts = [self.active, self.paused, self.cancelled, self.never];
        counts.into_iter().fold(0, i64::saturating_add)
    }
}

/// How customers stand, by their effective tiers.
pub fn by_tier(ladder: &Ladder, groups: &[Group]) -> ByTier<StateCounts> {
    let mut lines = ByTier::<StateCounts>::new(ladder);
    for group in groups {
        lines.add(group.tier(ladder), |counts| counts.add(group.state, group.customers));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder() -> Ladder {
        let tier = |(rank, code): (u32, &str)| Tier {
            code: TierCode::parse(code).unwrap(),
            name: code.to_uppercase(),
            rank,
            threshold: None,
            reward: None,
        };
        Ladder::new([(1, "silver"), (2, "gold")].map(tier).to_vec()).unwrap()
    }

    #[test]
    fn an_active_designation_counts_for_the_tier_and_a_paused_one_does_not() {
        let group = |reached: &str, given: &str, state, customers| Group {
            reached: TierCode::parse(reached).ok(),
            given: TierCode::parse(given).ok(),
            state,
            customers,
        };
        let groups = [
            group("silver", "", None, 10),
            group("silver", "gold", Some(State::Active), 2),
            group("silver", "gold", Some(State::Paused), 3),
            group("gold", "silver", Some(State::Active), 4),
            group("", "bronze", Some(State::Cancelled), 5),
            // Two of the ten are erased.
            group("silver", "", None, -2),
        ];
        let lines = by_tier(&ladder(), &groups).into_lines();
        let found: Vec<_> = lines
            .iter()
            .map(|line| (line.tier.as_ref().map(|t| t.code.as_str()), line.figures))
            .collect();
        let counts = StateCounts::default();
        assert_eq!(
            found,
            [
                (Some("gold"), StateCounts { active: 6, ..counts }),
                (Some("silver"), StateCounts { paused: 3, never: 8, ..counts }),
                (None, StateCounts { cancelled: 5, ..counts }),
            ]
        );
        assert_eq!(lines.iter().map(|line| line.figures.total()).sum::<i64>(), 22);
    }
}
