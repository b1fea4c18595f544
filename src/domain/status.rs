//! The badge's one word (design, section 4, "Status").
//!
//! Stored is a flag that a person set; the word is derived, so that it can't
//! go stale.

use super::designation::State;

/// What staff set by hand, with a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// Something has come up: pay attention.
    Caution,
    /// The shop has decided not to sell to this person.
    DoNotServe,
}

impl Flag {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 2] =
        [("caution", Self::Caution), ("do_not_serve", Self::DoNotServe)];
}

/// How the team is to treat a customer, in a word; the later, the graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// In good standing: where every customer starts.
    Active,
    /// Designated as a VIP.
    Vip,
    /// Flagged with caution.
    Caution,
    /// Flagged as not to be served.
    DoNotServe,
}

impl Status {
    /// All of them by rising gravity, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("active", Self::Active),
        ("vip", Self::Vip),
        ("caution", Self::Caution),
        ("do_not_serve", Self::DoNotServe),
    ];

    /// The word of a customer: the flag, else `vip` while a designation is
    /// active, else `active`.
    pub fn of(flag: Option<Flag>, is_vip: bool) -> Self {
        match flag {
            Some(Flag::Caution) => Self::Caution,
            Some(Flag::DoNotServe) => Self::DoNotServe,
            None if is_vip => Self::Vip,
            None => Self::Active,
        }
    }

    /// The colour of the badge.
    pub fn colour(self) -> &'static str {
        match self {
            Self::Active => "green",
            Self::Vip => "blue",
            Self::Caution => "amber",
            Self::DoNotServe => "red",
        }
    }

    /// The note that explains the word: of a flag, why it was set; of a VIP,
    /// what staff wrote about the designation.
    pub fn explanation<'a>(
        self,
        flag_note: Option<&'a str>,
        designation_notes: Option<&'a str>,
    ) -> Option<&'a str> {
        match self {
            Self::Active => None,
            Self::Vip => designation_notes,
            Self::Caution | Self::DoNotServe => flag_note,
        }
    }

    /// Whether a linked customer who carries it is a reason for a warning.
    pub fn is_warning(self) -> bool {
        matches!(self, Self::Caution | Self::DoNotServe)
    }
}

/// What becomes of a designation when a status is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It stays as it is.
    Keep,
    /// The customer is designated.
    Designate,
    /// The paused designation goes on.
    Resume,
    /// The designation ends; the note is the reason.
    Remove,
}

/// What setting a status comes to: the flag afterwards, and what becomes of
/// the designation.
///
/// `active` clears a flag, after which a VIP is `vip` again; on a VIP without
/// a flag it ends the designation. `vip` clears a flag and sees to an active
/// designation.
pub fn set(
    flag: Option<Flag>,
    designation: Option<State>,
    wanted: Status,
) -> (Option<Flag>, Change) {
    match (wanted, designation) {
        (Status::Caution, _) => (Some(Flag::Caution), Change::Keep),
        (Status::DoNotServe, _) => (Some(Flag::DoNotServe), Change::Keep),
        (Status::Active, Some(State::Active)) if flag.is_none() => (None, Change::Remove),
        (Status::Active, _) | (Status::Vip, Some(State::Active)) => (None, Change::Keep),
        (Status::Vip, Some(State::Paused)) => (None, Change::Resume),
        (Status::Vip, Some(State::Cancelled) | None) => (None, Change::Designate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_the_flag_else_vip_while_designated_else_active() {
        assert_eq!(Status::of(None, false), Status::Active);
        assert_eq!(Status::of(None, true), Status::Vip);
        for is_vip in [false, true] {
            assert_eq!(Status::of(Some(Flag::Caution), is_vip), Status::Caution);
            assert_eq!(Status::of(Some(Flag::DoNotServe), is_vip), Status::DoNotServe);
        }
    }

    #[test]
    fn a_status_that_was_set_is_the_word_afterwards_but_for_active_that_clears_a_flag() {
        let flags = [None, Some(Flag::Caution), Some(Flag::DoNotServe)];
        let states = [None, Some(State::Active), Some(State::Paused), Some(State::Cancelled)];
        for flag in flags {
            for state in states {
                for (_, wanted) in Status::WORDS {
                    let (after, change) = set(flag, state, wanted);
                    let is_vip = match change {
                        Change::Keep => state == Some(State::Active),
                        Change::Designate | Change::Resume => true,
                        Change::Remove => false,
                    };
                    let clears_a_vips_flag =
                        wanted == Status::Active && flag.is_some() && state == Some(State::Active);
                    let expected = if clears_a_vips_flag { Status::Vip } else { wanted };
                    assert_eq!(
                        Status::of(after, is_vip),
                        expected,
                        "{flag:?} {state:?} {wanted:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_flag_is_explained_by_its_note_and_a_vip_by_the_designations() {
        let explained =
            Status::WORDS.map(|(_, status)| status.explanation(Some("flag"), Some("designation")));
        assert_eq!(explained, [None, Some("designation"), Some("flag"), Some("flag")]);
    }

    #[test]
    fn the_colours_are_those_of_the_badges() {
        let colours: Vec<_> = Status::WORDS.iter().map(|(_, status)| status.colour()).collect();
        assert_eq!(colours, ["green", "blue", "amber", "red"]);
    }

    #[test]
    fn a_flag_is_a_warning_to_those_who_are_linked() {
        assert_eq!(
            Status::WORDS.map(|(_, status)| status.is_warning()),
            [false, false, true, true]
        );
    }
}
