//! Tiers that nothing takes away (design, section 3.10).

use super::{Held, State, Step};
use crate::domain::Instant;
use crate::domain::id::TierCode;
use crate::domain::program::{Program, TierRetention};
use crate::domain::tier::Ladder;

/// A tier that was reached under `tier_retention: permanent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Achievement {
    /// The tier.
    pub code: TierCode,
    /// The instant of what reached it.
    pub reached_at: Instant,
}

/// All that one customer has achieved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Achievements(pub Vec<Achievement>);

impl Achievements {
    /// Keeps the tiers that a fold reached while they were permanent, each
    /// with the earliest instant, unless a fall lies between.
    pub fn record(&mut self, program: &Program, state: &State, steps: &[Step]) {
        for step in steps {
            if let Step::TierChanged { at, to: Some(code), .. } = step
                && program.rules_at(*at).tier_retention == TierRetention::Permanent
            {
                self.keep(code, *at, state.fell_at);
            }
        }
    }

    fn keep(&mut self, code: &TierCode, at: Instant, fell_at: Option<Instant>) {
        let side = |instant: Instant| Some(instant) >= fell_at;
        let known = self.0.iter_mut().find(|a| a.code == *code && side(a.reached_at) == side(at));
        match known {
            Some(known) => known.reached_at = known.reached_at.min(at),
            None => self.0.push(Achievement { code: code.clone(), reached_at: at }),
        }
    }

    /// The tier held at an instant: the higher of the fold's and the best
    /// achievement dated at or before it, and after the last fall.
    pub fn tier_at(&self, ladder: &Ladder, state: &State, at: Instant) -> Option<Held> {
        let lasting =
            self.0.iter().filter(|a| a.reached_at <= at && Some(a.reached_at) >= state.fell_at);
        let best =
            lasting.max_by_key(|a| (ladder.rank(Some(&a.code)), std::cmp::Reverse(a.reached_at)));
        let (Some(best), folded) = (best, state.tier.as_ref()) else {
            return state.tier.clone();
        };
        let achieved = Held { code: best.code.clone(), since: best.reached_at };
        match folded {
            Some(folded) if folded.code == best.code => {
                Some(Held { since: folded.since.min(best.reached_at), ..achieved })
            }
            Some(folded) if ladder.rank(Some(&folded.code)) > ladder.rank(Some(&best.code)) => {
                Some(folded.clone())
            }
            _ => Some(achieved),
        }
    }
}
