//! Tiers and the ladder they form (design, sections 2 and 3.6).

use super::earning::Reward;
use super::id::TierCode;

/// The most tiers that a ladder has.
pub const TIERS_MAX: usize = 50;

/// A level of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// What the tier is held by; it outlives changes of everything else.
    pub code: TierCode,
    /// The name that people read.
    pub name: String,
    /// Its place in the ladder: higher is better. Unique.
    pub rank: u32,
    /// The progress that reaches it, in the entry method's unit: minor units,
    /// a count of orders, or points. 0 makes it the entry tier; `None` means
    /// that no progress reaches it (by designation only, or retired).
    pub threshold: Option<i64>,
    /// What it gives back on orders.
    pub reward: Option<Reward>,
}

/// What is wrong with a list of tiers. Each names the tiers by their place in the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLadder {
    /// More than [`TIERS_MAX`].
    #[error("a ladder has at most {TIERS_MAX} tiers")]
    TooManyTiers,
    /// Two tiers have one code.
    #[error("the code stands twice")]
    DuplicateCode(usize),
    /// Two tiers have one rank.
    #[error("the rank stands twice")]
    DuplicateRank(usize),
    /// A tier of a higher rank is as easy to reach, or easier.
    #[error(
        "ranks and thresholds rise together: this threshold is not above that of the tier ranked below it"
    )]
    ThresholdNotRising(usize),
}

impl InvalidLadder {
    /// The place in the list of the tier at fault, and its field.
    pub fn place(&self) -> Option<(usize, &'static str)> {
        match *self {
            Self::TooManyTiers => None,
            Self::DuplicateCode(i) => Some((i, "code")),
            Self::DuplicateRank(i) => Some((i, "rank")),
            Self::ThresholdNotRising(i) => Some((i, "threshold")),
        }
    }
}

/// All tiers of a program, by rising rank; thresholds rise with the ranks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ladder(Vec<Tier>);

impl Ladder {
    /// Takes tiers in any order.
    ///
    /// # Errors
    /// Every fault at once, as [`InvalidLadder`].
    pub fn new(tiers: Vec<Tier>) -> Result<Self, Vec<InvalidLadder>> {
        let mut faults = Vec::new();
        if tiers.len() > TIERS_MAX {
            return Err(vec![InvalidLadder::TooManyTiers]);
        }
        for (i, tier) in tiers.iter().enumerate() {
            let earlier = || tiers.iter().take(i);
            if earlier().any(|t| t.code == tier.code) {
                faults.push(InvalidLadder::DuplicateCode(i));
            }
            if earlier().any(|t| t.rank == tier.rank) {
                faults.push(InvalidLadder::DuplicateRank(i));
            }
        }
        let mut by_rank: Vec<(usize, &Tier)> = tiers.iter().enumerate().collect();
        by_rank.sort_by_key(|(_, tier)| tier.rank);
        let mut highest = None;
        for (i, tier) in by_rank {
            if let Some(threshold) = tier.threshold {
                if highest.is_some_and(|below| threshold <= below) {
                    faults.push(InvalidLadder::ThresholdNotRising(i));
                }
                highest = highest.max(Some(threshold));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut tiers = tiers;
        tiers.sort_by_key(|tier| tier.rank);
        Ok(Self(tiers))
    }

    /// The tiers by rising rank.
    pub fn tiers(&self) -> &[Tier] {
        &self.0
    }

    /// The tier of a code.
    pub fn find(&self, code: &TierCode) -> Option<&Tier> {
        self.0.iter().find(|tier| tier.code == *code)
    }

    /// The rank of a code; `None`, which is below every rank, for no tier.
    pub fn rank(&self, code: Option<&TierCode>) -> Option<u32> {
        code.and_then(|code| self.find(code)).map(|tier| tier.rank)
    }

    /// The zero-threshold tier, which everyone holds from enrolment.
    pub fn entry(&self) -> Option<&Tier> {
        self.0.iter().find(|tier| tier.threshold == Some(0))
    }

    /// The highest tier that progress can reach.
    pub fn top(&self) -> Option<&Tier> {
        self.0.iter().rfind(|tier| tier.threshold.is_some())
    }

    /// The highest-ranked tier whose threshold is at most the progress:
    /// 500.00 reaches a tier of 500.
    pub fn reached_by(&self, progress: i64) -> Option<&Tier> {
        self.0.iter().rfind(|tier| tier.threshold.is_some_and(|threshold| threshold <= progress))
    }

    /// The lowest tier above a rank that progress can reach.
    pub fn next_above(&self, rank: Option<u32>) -> Option<&Tier> {
        self.0.iter().find(|tier| Some(tier.rank) > rank && tier.threshold.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(code: &str, rank: u32, threshold: Option<i64>) -> Tier {
        let (code, name) = (TierCode::parse(code).unwrap(), code.to_uppercase());
        Tier { code, name, rank, threshold, reward: None }
    }

    #[test]
    fn the_ladder_finds_what_progress_reaches() {
        let ladder = Ladder::new(vec![
            tier("gold", 3, Some(50_000)),
            tier("bronze", 1, Some(0)),
            tier("black", 9, None),
            tier("silver", 2, Some(25_000)),
        ])
        .unwrap();
        let reached = |progress| ladder.reached_by(progress).map(|t| t.code.as_str());
        assert_eq!(reached(24_999), Some("bronze"));
        assert_eq!(reached(25_000), Some("silver"));
        assert_eq!(reached(i64::MAX), Some("gold"));
        assert_eq!(ladder.entry().unwrap().code.as_str(), "bronze");
        assert_eq!(ladder.top().unwrap().code.as_str(), "gold");
        assert_eq!(ladder.next_above(Some(3)), None);
        assert_eq!(ladder.next_above(None).unwrap().code.as_str(), "bronze");
    }

    #[test]
    fn all_faults_of_a_ladder_are_named_at_once() {
        let faults = Ladder::new(vec![
            tier("a", 1, Some(100)),
            tier("b", 2, Some(100)),
            tier("a", 3, None),
            tier("c", 3, Some(50)),
        ])
        .unwrap_err();
        assert_eq!(
            faults,
            [
                InvalidLadder::DuplicateCode(2),
                InvalidLadder::DuplicateRank(3),
                InvalidLadder::ThresholdNotRising(1),
                InvalidLadder::ThresholdNotRising(3),
            ]
        );
    }

    #[test]
    fn a_fault_names_the_tier_by_its_place_and_the_field() {
        let faults = [
            InvalidLadder::TooManyTiers,
            InvalidLadder::DuplicateCode(2),
            InvalidLadder::DuplicateRank(3),
            InvalidLadder::ThresholdNotRising(1),
        ];
        let places = faults.map(|fault| fault.place());
        assert_eq!(places, [None, Some((2, "code")), Some((3, "rank")), Some((1, "threshold"))]);
        let many = (1..).take(TIERS_MAX + 1).map(|rank| tier(&format!("t{rank}"), rank, None));
        let many: Vec<Tier> = many.collect();
        assert_eq!(Ladder::new(many[1..].to_vec()).unwrap().tiers(), &many[1..]);
        assert_eq!(Ladder::new(many), Err(vec![InvalidLadder::TooManyTiers]));
    }
}
