//! Activities: what a customer did, or had done to them, besides ordering.

use super::Instant;
use super::fact::Worth;
use super::id::CustomerId;
use chrono::NaiveDate;

/// A kind of activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Points earned by something other than an order.
    Points,
    /// Another customer was brought in.
    Referral,
    /// A survey was answered.
    Survey,
    /// The customer complained.
    Complaint,
    /// Staff and customer were in touch.
    Contact,
}

impl Kind {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("points", Self::Points),
        ("referral", Self::Referral),
        ("survey", Self::Survey),
        ("complaint", Self::Complaint),
        ("contact", Self::Contact),
    ];
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// Points were earned.
    Points {
        /// What they are worth.
        worth: Worth,
    },
    /// Another customer was brought in. A customer is referred once: of
    /// several referrals of one customer the earliest counts.
    Referral {
        /// Who was.
        referred: CustomerId,
    },
    /// A survey was answered.
    Survey {
        /// From 1, the worst, to 5, the best.
        score: u8,
    },
    /// The customer complained.
    Complaint {
        /// Where: by telephone, in a chat, on a social network.
        channel: String,
        /// Whether others could see it.
        is_public: bool,
        /// When it was resolved; open until then.
        resolved_at: Option<Instant>,
    },
    /// Staff and customer were in touch.
    Contact {
        /// By what means.
        channel: String,
        /// Who of the staff.
        agent: Option<String>,
        /// What was said.
        note: Option<String>,
        /// When to be in touch again.
        follow_up_on: Option<NaiveDate>,
    },
}

impl Happening {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Points { .. } => Kind::Points,
            Self::Referral { .. } => Kind::Referral,
            Self::Survey { .. } => Kind::Survey,
            Self::Complaint { .. } => Kind::Complaint,
            Self::Contact { .. } => Kind::Contact,
        }
    }
}
