//! What a field must be like before a mechanism may carry it.

use stringprep::tables;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::{Field, SaslError};
use crate::Secret;

/// Refuses an empty field and one with NUL in it (R116).
pub(super) fn check(field: Field, octets: &[u8]) -> Result<(), SaslError> {
    if octets.is_empty() {
        return Err(SaslError::Empty(field));
    }
    refuse_nul(field, octets)
}

/// Refuses NUL (R116; RFC 4422 appendix A.1).
pub(super) fn refuse_nul(field: Field, octets: &[u8]) -> Result<(), SaslError> {
    if octets.contains(&0) { Err(SaslError::Nul(field)) } else { Ok(()) }
}

/// SASLprep (RFC 4013) for a non-empty field without NUL; ASCII passes unchanged (R116, R117).
///
/// The field is a "query" in the sense of RFC 3454 §7 (RFC 4616 §2): characters younger than Unicode 3.2 pass, else
/// nobody could have a U+1E9E in the password. stringprep's own `saslprep` treats everything as a "stored string"
/// and refuses them, and it grows a buffer that nobody wipes; hence its tables here, and two passes: one measures,
/// one writes.
pub(super) fn prepare(field: Field, octets: &[u8]) -> Result<Secret, SaslError> {
    check(field, octets)?;
    if octets.is_ascii() {
        return Ok(Secret::new(octets));
    }
    let text = str::from_utf8(octets).map_err(|_| SaslError::NotUtf8(field))?;

    let length = mapped(text).map(char::len_utf8).sum();
    let mut prepared = Zeroizing::new(Vec::with_capacity(length));
    for character in mapped(text) {
        if is_prohibited(character) {
            return Err(SaslError::Prohibited(field));
        }
        prepared.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    if breaks_bidi_rule(text) {
        return Err(SaslError::Prohibited(field));
    }
    if prepared.is_empty() {
        return Err(SaslError::Empty(field));
    }
    Ok(Secret::from(prepared))
}

/// RFC 4013 §2.1 and §2.2: spaces to SPACE, the invisible to nothing, then NFKC.
fn mapped(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .map(|c| if tables::non_ascii_space_character(c) { ' ' } else { c })
        .filter(|&c| !tables::commonly_mapped_to_nothing(c))
        .nfkc()
}

/// RFC 4013 §2.3, in its order.
fn is_prohibited(c: char) -> bool {
    tables::non_ascii_space_character(c)
        || tables::ascii_control_character(c)
        || tables::non_ascii_control_character(c)
        || tables::private_use(c)
        || tables::non_character_code_point(c)
        || tables::surrogate_code(c)
        || tables::inappropriate_for_plain_text(c)
        || tables::inappropriate_for_canonical_representation(c)
        || tables::change_display_properties_or_deprecated(c)
        || tables::tagging_character(c)
}

/// RFC 4013 §2.4, RFC 3454 §6: right-to-left text is all right-to-left, and so at both ends.
fn breaks_bidi_rule(text: &str) -> bool {
    let rtl = tables::bidi_r_or_al;
    mapped(text).any(rtl)
        && (mapped(text).any(tables::bidi_l)
            || !mapped(text).next().is_some_and(rtl)
            || !mapped(text).last().is_some_and(rtl))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prepared(text: &str) -> Result<String, SaslError> {
        prepare(Field::Password, text.as_bytes())
            .map(|secret| String::from_utf8(secret.expose().to_vec()).expect("SASLprep of UTF-8 is UTF-8"))
    }

    #[test]
    fn examples_of_rfc_4013_section_3() {
        for (input, output) in [
            ("I\u{AD}X", "IX"), // SOFT HYPHEN mapped to nothing
            ("user", "user"),
            ("USER", "USER"),   // case preserved
            ("\u{AA}", "a"),    // NFKC
            ("\u{2168}", "IX"), // NFKC
        ] {
            assert_eq!(prepared(input).as_deref(), Ok(output), "{input:?}"); // R117
        }
        // The ASCII control of example 6 passes, alone, because ASCII passes unchanged; in other company it does not.
        assert_eq!(prepared("\u{7}").as_deref(), Ok("\u{7}"));
        assert_eq!(prepared("\u{7}é"), Err(SaslError::Prohibited(Field::Password)));
        assert_eq!(prepared("\u{627}\u{31}"), Err(SaslError::Prohibited(Field::Password))); // bidi check
    }

    #[test]
    fn spaces_ligatures_and_decompositions_are_unified() {
        assert_eq!(prepared("a\u{A0}b\u{3000}c").as_deref(), Ok("a b c"));
        assert_eq!(prepared("o\u{FB03}ce").as_deref(), Ok("office")); // R117: ligatures
        assert_eq!(prepared("e\u{301}").as_deref(), Ok("\u{E9}"));
    }

    #[test]
    fn characters_younger_than_unicode_3_2_pass() {
        for text in ["STRA\u{1E9E}E", "\u{20B9}100", "\u{1F511}"] {
            assert_eq!(prepared(text).as_deref(), Ok(text)); // RFC 4616 §2: a query
        }
    }

    #[test]
    fn prohibited_characters_are_refused_by_field_name() {
        for text in [
            "\u{85}",
            "\u{E000}",
            "\u{FFFE}",
            "\u{FFFD}",
            "\u{2FF0}",
            "\u{202E}",
            "\u{E0041}",
            "é\t",
            "é\r\n",
        ] {
            assert_eq!(prepared(text), Err(SaslError::Prohibited(Field::Password)), "{text:?}");
        }
    }

    #[test]
    fn right_to_left_text_must_be_so_at_both_ends_and_throughout() {
        assert!(prepared("\u{627}1\u{628}").is_ok());
        assert!(prepared("\u{5D0}\u{5D1}").is_ok());
        for text in ["\u{627}a\u{628}", "1\u{628}", "\u{628}1"] {
            assert_eq!(prepared(text), Err(SaslError::Prohibited(Field::Password)), "{text:?}");
        }
    }

    #[test]
    fn nothing_left_nul_and_other_encodings_are_refused() {
        assert_eq!(prepared(""), Err(SaslError::Empty(Field::Password)));
        assert_eq!(prepared("\u{AD}\u{FEFF}"), Err(SaslError::Empty(Field::Password)));
        assert_eq!(prepared("a\0"), Err(SaslError::Nul(Field::Password)));
        assert_eq!(prepared("é\0"), Err(SaslError::Nul(Field::Password)));
        assert_eq!(prepare(Field::User, b"caf\xE9"), Err(SaslError::NotUtf8(Field::User)));
    }

    proptest! {
        #![proptest_config(crate::cases(1000))]

        #[test]
        fn ascii_passes_unchanged(text in "[\\x01-\\x7F]{1,80}") {
            prop_assert_eq!(prepared(&text), Ok(text));
        }

        /// Where the stricter profile of the crate succeeds, ours agrees with it.
        #[test]
        fn agrees_with_stored_string_preparation(text in "\\PC{1,12}") {
            if let Ok(stored) = stringprep::saslprep(&text) && !stored.is_empty() {
                prop_assert_eq!(prepared(&text), Ok(stored.into_owned()));
            }
        }

        #[test]
        fn any_text_is_prepared_or_refused(text: String) {
            if let Ok(prepared) = prepared(&text) {
                prop_assert!(!prepared.is_empty() && !prepared.contains('\0'));
            }
        }
    }
}
