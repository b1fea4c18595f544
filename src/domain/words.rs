//! The words that values go by in requests, answers and the database.

/// The word of a value, by the table of its type.
pub fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, v)| v == value).map_or("", |(word, _)| word)
}

/// The value of a word, by the table of its type.
pub fn value<T: Copy>(words: &[(&'static str, T)], word: &str) -> Option<T> {
    words.iter().find(|(w, _)| *w == word).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_its_word_and_a_word_its_value() {
        let words = [("one", 1), ("two", 2)];
        assert_eq!((word(&words, &2), word(&words, &3)), ("two", ""));
        assert_eq!((value(&words, "two"), value(&words, "three")), (Some(2), None));
    }
}
