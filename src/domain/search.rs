//! Text as it is searched and sorted by: without case and accents, the same on
//! both databases because it is folded here and not there (design, section 6).

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The folded form of a text: `"Ångström"` and `"angstrom"` are the same.
pub fn fold(text: &str) -> String {
    text.nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect::<String>()
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_and_case_do_not_matter() {
        assert_eq!(fold("Ångström"), "angstrom");
        assert_eq!(fold("ZOË"), fold("Zoe\u{308}"));
        assert_eq!(fold("İstanbul"), "istanbul");
    }
}
