//! What takes several steps in one transaction: load, decide, store.

pub mod background;
pub mod badges;
pub mod credits;
pub mod customers;
pub mod designations;
pub mod earning;
pub mod events;
pub mod facts;
pub mod following;
pub mod idempotency;
pub mod links;
pub mod memberships;
pub mod nominations;
pub mod programs;
pub mod qualification;
pub mod recalculation;
pub mod signals;

use crate::db;
use crate::domain::Overflow;
use crate::domain::change::Refused;
use crate::domain::earning::InvalidWay;
use crate::domain::ledger::Balance;
use crate::domain::money::InvalidAmount;
use crate::domain::tier::InvalidLadder;

/// Why something was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It can't be done as things stand; the caller can do something about it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database did not do its part.
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl From<Overflow> for Error {
    fn from(_: Overflow) -> Self {
        Self::Refused(Refusal::FigureOverflow)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused(Refusal::Program(refused))
    }
}

/// What came of a workflow.
pub type Result<T> = std::result::Result<T, Error>;

/// A reason in the stored state, or in the clock, not to do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The store has no program yet.
    #[error("the store is not set up: an administrator sets it up with PATCH /v1/program")]
    StoreNotSetUp,
    /// The first settings of a store need a currency.
    #[error("a store is set up with its currency")]
    CurrencyMissing,
    /// There is no such thing in this store.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The customer was erased.
    #[error("the customer was erased")]
    CustomerErased,
    /// The clock says that it has not happened yet.
    #[error("{0} lies more than 24 hours ahead")]
    TooFarAhead(&'static str),
    /// The program's amounts are in another currency.
    #[error("the program's currency is {0}")]
    CurrencyMismatch(&'static str),
    /// The amount does not fit the program's currency.
    #[error("the amount {0}")]
    InvalidAmount(InvalidAmount),
    /// The threshold does not fit the entry method.
    #[error(
        "the threshold of tier {0} is not in the entry method's unit: an amount in the program's currency, or a whole number of orders or points"
    )]
    InvalidThreshold(String),
    /// The refund's order has not been sent.
    #[error("the order is unknown: send the order, then the refund again")]
    UnknownOrder,
    /// Refunds can't exceed the order.
    #[error("the refunds of an order never exceed its total")]
    RefundExceedsOrder,
    /// Nor can the total fall below them.
    #[error("an order's total never falls below its refunds")]
    TotalBelowRefunds,
    /// The order is another customer's.
    #[error("an order never changes its customer")]
    OrderCustomerFixed,
    /// The refund is stored with other values.
    #[error("a refund never changes: this id is stored with another order, amount or instant")]
    RefundImmutable,
    /// The activity is another customer's, or of another kind.
    #[error("an activity never changes its customer, its kind nor its way to earn")]
    ActivityFixed,
    /// The ladder that would result is none.
    #[error("the ladder would not hold: {0}")]
    InvalidLadder(InvalidLadder),
    /// The program's rules stand in the way.
    #[error("{0}")]
    Program(Refused),
    /// One at a time.
    #[error("a recalculation is running: try again when it has finished")]
    RecalculationRunning,
    /// A sum does not fit.
    #[error("a total of the customer would exceed what 64 bits can hold")]
    FigureOverflow,
    /// `If-Match` names another version.
    #[error("the resource has changed since the version that If-Match names")]
    PreconditionFailed,
    /// The role may not do what this comes to.
    #[error("the token's role may not do this")]
    Forbidden,
    /// A tier that is not in the ladder.
    #[error("there is no tier {0}")]
    UnknownTier(String),
    /// A benefit that the store does not have.
    #[error("there is no benefit {0}")]
    UnknownBenefit(String),
    /// Somebody has it, or a tier carries it.
    #[error(
        "a tier carries the benefit, a rule grants it, or somebody has it: for_everyone=true takes it from all"
    )]
    BenefitInUse,
    /// More benefits than a store has.
    #[error("a store has at most {} benefits", crate::domain::benefit::BENEFITS_MAX)]
    TooManyBenefits,
    /// A VIP from tomorrow on is none today.
    #[error("since lies in the future")]
    SinceInFuture,
    /// The designation would be over before it began.
    #[error(
        "the designation would have ended already: by ends_at, or by the grace period after the subscription was cancelled"
    )]
    DesignationWouldHaveEnded,
    /// It is over.
    #[error("the designation has ended: PUT designates anew")]
    DesignationEnded,
    /// Some benefits are to be taken off before.
    #[error("benefits must be ended first: {}", .0.join(", "))]
    BenefitsMustEndFirst(Vec<String>),
    /// This status ends a designation.
    #[error("this ends the designation: confirm it with \"confirm\": true")]
    ConfirmationRequired,
    /// More rules than a store has.
    #[error("a store has at most {} rules", crate::domain::qualification::RULES_MAX)]
    TooManyRules,
    /// The customer was put forward already.
    #[error("a nomination of this customer by hand waits already")]
    NominationWaiting,
    /// A person has said no not long ago.
    #[error("this was declined less than 90 days ago")]
    DeclinedRecently,
    /// The customer has it.
    #[error("the customer's designation has all of this already")]
    NothingToAdd,
    /// Somebody was faster.
    #[error("the nomination was decided already")]
    NominationDecided,
    /// Nobody takes off more than there is.
    #[error("the balance is less than that: {} of credit in minor units and {} points", .0.credit, .0.points)]
    InsufficientBalance(Balance),
    /// A way to earn that the store does not have, or not for events.
    #[error("the store has no way to earn {0} by event")]
    UnknownWayToEarn(String),
    /// The way to earn can't be.
    #[error(transparent)]
    InvalidWay(#[from] InvalidWay),
    /// More links than a customer has.
    #[error("a customer has at most {} links", links::LINKS_MAX)]
    TooManyLinks,
    /// A request with this key has not been answered yet.
    #[error("a request with this Idempotency-Key is being carried out: try again")]
    IdempotencyInFlight,
    /// The key came with another request before.
    #[error(
        "another request of this operation came with this Idempotency-Key: a key goes with one request"
    )]
    IdempotencyKeyReused,
}

/// The versions that a caller is willing to change, from `If-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// No header: any version, or none.
    Absent,
    /// `*`: any version, but there has to be one.
    Any,
    /// One of these.
    Versions(Vec<i64>),
}

impl IfMatch {
    /// Whether the version that is stored, if there is one, may be changed.
    ///
    /// # Errors
    /// [`Refusal::PreconditionFailed`] where it may not.
    pub fn check(&self, stored: Option<i64>) -> std::result::Result<(), Refusal> {
        let is_fine = match (self, stored) {
            (Self::Absent, _) | (Self::Any, Some(_)) => true,
            (Self::Versions(versions), Some(stored)) => versions.contains(&stored),
            (_, None) => false,
        };
        if is_fine { Ok(()) } else { Err(Refusal::PreconditionFailed) }
    }

    /// Whether a part of what the version is of may be changed: `*` wants the
    /// part itself to be there.
    ///
    /// # Errors
    /// [`Refusal::PreconditionFailed`] where it may not.
    pub fn check_part(&self, is_there: bool) -> std::result::Result<(), Refusal> {
        if *self == Self::Any && !is_there { Err(Refusal::PreconditionFailed) } else { Ok(()) }
    }
}
