//! What a customer's subscription can be.

/// The state of a customer's subscription, as the shop states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionState {
    /// Running.
    Active,
    /// On hold.
    Paused,
    /// Ended by the customer or the shop.
    Cancelled,
}

impl SubscriptionState {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 3] =
        [("active", Self::Active), ("paused", Self::Paused), ("cancelled", Self::Cancelled)];
}
