//! A customer's badge as a picture: SVG for screens and for shipping labels.
//!
//! The picture stands alone. It has no script, no style sheet, no font of its
//! own and no ids, so that it can be an `<img>`, be pasted into a page under a
//! strict content security policy (any number of times), or go to a label
//! printer. Statuses and icons differ in words and shapes and not only in
//! colours, and every colour is either clearly dark or clearly bright, so that
//! a printer that knows only black and white prints the same badge.

use std::borrow::Cow;

/// What a badge shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawing<'a> {
    /// The status, as one of the four words: active, vip, caution, do_not_serve.
    /// Any other word is drawn as caution: what nobody understands wants attention.
    pub status: &'a str,
    /// The customer's name, for the title that screen readers and tooltips show; None where unknown.
    pub customer: Option<&'a str>,
    /// Name of the effective tier, and its icon's word; None where there is none.
    /// A word that is no icon is drawn as a star.
    pub tier: Option<(&'a str, &'a str)>,
}

/// How a status looks.
struct Look {
    status: &'static str,
    words: &'static str,
    /// How wide the words are, in hundredths of their size: exactly, by the same font as [`extent`].
    words_ems: u32,
    plate: &'static str,
    /// The outline, which is all that is left of a bright plate in black and white.
    edge: &'static str,
    /// The words on the plate; the contrast is at least 4.5:1 (WCAG AA), which a test holds.
    ink: &'static str,
    /// What stands before the words, in a box of 60 by 60; empty where nothing does.
    sign: &'static str,
    shows_tier: bool,
}

const ACTIVE: Look = Look {
    status: "active",
    words: "Active",
    words_ems: 352,
    plate: "#15803d",
    edge: "#14532d",
    ink: "#ffffff",
    sign: "",
    shows_tier: true,
};
const VIP: Look = Look {
    status: "vip",
    words: "VIP",
    words_ems: 188,
    plate: "#1d4ed8",
    edge: "#1e3a8a",
    ink: "#ffffff",
    sign: "",
    shows_tier: true,
};
const CAUTION: Look = Look {
    status: "caution",
    words: "Caution",
    words_ems: 435,
    plate: "#fbbf24",
    edge: "#451a03",
    ink: "#1c1003",
    sign: concat!(
        r##"<path d="M30 6.5L57 53H3Z" fill="#1c1003" stroke="#1c1003" stroke-width="6"/>"##,
        r##"<path d="M30 21V35.5M30 46.2V46.3" fill="none" stroke="#fbbf24" stroke-width="7" stroke-linecap="round"/>"##,
    ),
    shows_tier: true,
};
const DO_NOT_SERVE: Look = Look {
    status: "do_not_serve",
    words: "Do Not Serve",
    words_ems: 745,
    plate: "#b91c1c",
    edge: "#7f1d1d",
    ink: "#ffffff",
    sign: concat!(
        r##"<circle cx="30" cy="30" r="28" fill="#ffffff"/>"##,
        r##"<path d="M15.5 30H44.5" fill="none" stroke="#b91c1c" stroke-width="11" stroke-linecap="butt"/>"##,
    ),
    shows_tier: false,
};

/// How every status looks.
const LOOKS: [Look; 4] = [ACTIVE, VIP, CAUTION, DO_NOT_SERVE];

/// The icons of tiers, each in a box of 60 by 60. The outline, in the panel's
/// ink, comes from the group around them.
///
/// The three medals have an edge of their own besides their numeral, because
/// at 20 pixels a numeral is no more than six high.
const ICONS: [(&str, &str); 8] = [
    (
        STAR,
        r##"<path d="M30 3L37.3 21.9L57.6 23L41.9 35.9L47 55.5L30 44.5L13 55.5L18.1 35.9L2.4 23L22.7 21.9Z" fill="#fcc62e"/>"##,
    ),
    (
        "bronze",
        concat!(
            r##"<path d="M14 2H27L32 16H19ZM46 2H33L28 16H41Z" fill="#b9cdfb"/>"##,
            r##"<circle cx="30" cy="37" r="20.5" fill="#e8a36c"/>"##,
            r##"<path d="M23.5 28.5C28 24.5 36.5 26 36.5 31.5C36.5 35 33.5 36.7 29 36.7C34.5 36.7 37.3 39 37.3 42.4C37.3 48.8 27.5 50 22.7 45.5" fill="none" stroke-width="4.5"/>"##,
        ),
    ),
    (
        "silver",
        concat!(
            r##"<path d="M14 2H27L32 16H19ZM46 2H33L28 16H41Z" fill="#b9cdfb"/>"##,
            r##"<path d="M37.7 18.5A8.6 8.6 0 0 1 48.5 29.3A8.6 8.6 0 0 1 48.5 44.7A8.6 8.6 0 0 1 37.7 55.5A8.6 8.6 0 0 1 22.3 55.5A8.6 8.6 0 0 1 11.5 44.7A8.6 8.6 0 0 1 11.5 29.3A8.6 8.6 0 0 1 22.3 18.5Z" fill="#d8dee6"/>"##,
            r##"<path d="M23.5 31C24.5 24.5 36.5 24.5 36.5 32C36.5 37 28 41 23.8 47H37.5" fill="none" stroke-width="4.5"/>"##,
        ),
    ),
    (
        "gold",
        concat!(
            r##"<path d="M14 2H27L32 16H19ZM46 2H33L28 16H41Z" fill="#b9cdfb"/>"##,
            r##"<path d="M30 13L34.7 18.6L41.5 16.1L42.7 23.3L49.9 24.5L47.4 31.3L53 36L47.4 40.7L49.9 47.5L42.7 48.7L41.5 55.9L34.7 53.4L30 59L25.3 53.4L18.5 55.9L17.3 48.7L10.1 47.5L12.6 40.7L7 36L12.6 31.3L10.1 24.5L17.3 23.3L18.5 16.1L25.3 18.6Z" fill="#fcc62e"/>"##,
            r##"<path d="M24.5 30.5L31.5 26V47" fill="none" stroke-width="5.5"/>"##,
        ),
    ),
    (
        "platinum",
        concat!(
            r##"<path d="M30 3L53 11V29C53 43 43 52 30 57.5C17 52 7 43 7 29V11Z" fill="#dbe4f0"/>"##,
            r##"<path d="M18 31L30 21L42 31M18 43L30 33L42 43" fill="none" stroke-width="5"/>"##,
        ),
    ),
    (
        "diamond",
        concat!(
            r##"<path d="M15 7H45L58 24L30 56L2 24Z" fill="#a5e3fb"/>"##,
            r##"<path d="M2 24H58M20 24L30 56L40 24L30 7Z" fill="none" stroke-width="3"/>"##,
        ),
    ),
    (
        "crown",
        concat!(
            r##"<path d="M8 53L3 18L18 30L30 8L42 30L57 18L52 53Z" fill="#fcc62e"/>"##,
            r##"<path d="M7 43H53" fill="none"/>"##,
        ),
    ),
    (
        "heart",
        r##"<path d="M30 55C12 41 3 32 3 20C3 5 23 1 30 16C37 1 57 5 57 20C57 32 48 41 30 55Z" fill="#ff8fa8"/>"##,
    ),
];

/// The icon in place of one that is unknown.
const STAR: &str = "star";

const HEIGHT: u32 = 80;
/// Around what stands on the plate, left and right.
const PADDING: u32 = 20;
/// Between the words and the panel, and between a sign and the edge.
const GAP: u32 = 14;
/// Between a sign and the words: smaller, because a sign's sides slope away.
const SIGN_GAP: u32 = 10;
/// The side of a sign's and of an icon's box.
const BOX: u32 = 60;
/// How far the panel's edges are from the plate's.
const INSET: u32 = 6;
const WORDS_SIZE: u32 = 46;
const TIER_SIZE: u32 = 38;
/// How wide a tier's name may be, in hundredths of its size: about 17 letters.
/// A label that is wider must be printed so small that nobody reads it; the
/// title has the name in full.
const TIER_EMS: u32 = 1240;
const PANEL: &str = "#ffffff";
const PANEL_INK: &str = "#0f172a";

/// Draws a badge, 80 high and as wide as its words.
///
/// The same drawing gives the same bytes, always.
pub fn draw(drawing: &Drawing<'_>) -> String {
    let look = LOOKS.iter().find(|look| look.status == drawing.status).unwrap_or(&CAUTION);
    let tier = drawing.tier.filter(|_| look.shows_tier).map(|(name, icon)| (clean(name), icon));
    let customer = drawing.customer.map(clean);

    let mut title = String::new();
    if let Some(name) = customer.as_deref().filter(|name| !name.is_empty()) {
        title.push_str(name);
        title.push_str(": ");
    }
    title.push_str(look.words);
    if let Some((name, _)) = tier.as_ref().filter(|(name, _)| !name.is_empty()) {
        title.push_str(", ");
        title.push_str(name);
    }

    let mut x = PADDING;
    let mut inside = String::new();
    if !look.sign.is_empty() {
        // A sign is heavier than letters and may stand nearer to the edge.
        x = GAP;
        inside.push_str(&boxed(x, "", look.sign));
        x = x.saturating_add(BOX).saturating_add(SIGN_GAP);
    }
    let words = Line::new(look.words, look.words_ems, WORDS_SIZE);
    inside.push_str(&words.draw(x, 57, look.ink));
    x = x.saturating_add(words.width);
    let width = if let Some((name, icon)) = &tier {
        x = x.saturating_add(GAP);
        let name = shortened(name, TIER_EMS);
        let name = Line::new(&name, ems(&name), TIER_SIZE);
        let name_x = x.saturating_add(BOX).saturating_add(2 * INSET);
        let end = match name.width {
            0 => name_x.saturating_sub(INSET),
            width => name_x.saturating_add(width).saturating_add(GAP),
        };
        inside.push_str(&format!(
            r#"<rect x="{x}" y="{INSET}" width="{}" height="{}" rx="9" fill="{PANEL}" stroke="{}" stroke-width="2"/>"#,
            end.saturating_sub(x),
            HEIGHT - 2 * INSET,
            look.edge,
        ));
        let outline = format!(r#" stroke="{PANEL_INK}" stroke-width="4" stroke-linecap="round""#);
        inside.push_str(&boxed(x.saturating_add(INSET), &outline, icon_shape(icon)));
        inside.push_str(&name.draw(name_x, 54, PANEL_INK));
        end.saturating_add(INSET)
    } else {
        x.saturating_add(PADDING)
    };

    format!(
        concat!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" "#,
            r#"viewBox="0 0 {width} {height}" role="img"><title>{title}</title>"#,
            r#"<rect x="2" y="2" width="{inner_width}" height="{inner_height}" rx="14" "#,
            r#"fill="{plate}" stroke="{edge}" stroke-width="4"/>"#,
            r#"<g font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', "#,
            r#"Arial, sans-serif" font-weight="700" text-anchor="middle" stroke-linejoin="round">"#,
            r#"{inside}</g></svg>"#,
        ),
        width = width,
        height = HEIGHT,
        title = escaped(&title),
        inner_width = width.saturating_sub(4),
        inner_height = HEIGHT - 4,
        plate = look.plate,
        edge = look.edge,
        inside = inside,
    )
}

/// A shape in its box, whose left edge is at `x` and which is centred upright.
fn boxed(x: u32, attributes: &str, shape: &str) -> String {
    format!(r#"<g transform="translate({x} {})"{attributes}>{shape}</g>"#, (HEIGHT - BOX) / 2)
}

/// The shape of an icon.
fn icon_shape(icon: &str) -> &'static str {
    let find = |wanted: &str| ICONS.iter().find(|(word, _)| *word == wanted);
    find(icon).or_else(|| find(STAR)).map_or("", |(_, shape)| shape)
}

/// A line of text, and the room that is kept for it.
///
/// The text is centred in its room. Which font a reader has is unknown, so the
/// room is that of a very wide one, and what a narrower one leaves over is
/// then on both sides.
struct Line<'a> {
    text: Cow<'a, str>,
    size: u32,
    width: u32,
    /// Whether nobody knows how wide some of the characters are. Such a text is
    /// told its length; all others keep the proportions of their font.
    uncertain: bool,
    to_the_left: bool,
}

impl<'a> Line<'a> {
    fn new(text: &'a str, ems: u32, size: u32) -> Self {
        let width = ems.saturating_mul(size).div_ceil(100);
        let uncertain = pieces(text).any(|piece| !piece.certain);
        Self { text: escaped(text), size, width, uncertain, to_the_left: runs_to_the_left(text) }
    }

    fn draw(&self, x: u32, baseline: u32, ink: &str) -> String {
        if self.width == 0 {
            return String::new();
        }
        let middle = x.saturating_add(self.width / 2);
        // Otherwise the ellipsis of a text that runs to the left is at its right end.
        let direction = if self.to_the_left { r#" direction="rtl""# } else { "" };
        let length = if self.uncertain {
            format!(r#" textLength="{}" lengthAdjust="spacingAndGlyphs""#, self.width)
        } else {
            String::new()
        };
        format!(
            r#"<text x="{middle}" y="{baseline}" font-size="{}" fill="{ink}"{direction}{length}>{}</text>"#,
            self.size, self.text,
        )
    }
}

/// A text without what does not belong in a line of XML: control characters,
/// which XML 1.0 mostly forbids, the two code points it forbids besides, and
/// what turns the direction of the text that follows. The latter would let a
/// name write the status behind it backwards.
fn clean(text: &str) -> String {
    let kept = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(kept).collect::<String>().trim().to_owned()
}

/// A text as XML says it.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().saturating_add(16));
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// A text that is at most so many hundredths of an em wide, with an ellipsis
/// where something is missing.
///
/// It is never cut within what a reader takes for one character: between a
/// letter and its marks, within a flag, or within a joined emoji.
fn shortened(text: &str, limit: u32) -> Cow<'_, str> {
    const ELLIPSIS: &str = "…";
    if ems(text) <= limit {
        return Cow::Borrowed(text);
    }
    let room = limit.saturating_sub(ems(ELLIPSIS));
    let mut used: u32 = 0;
    let mut cut = 0;
    for piece in pieces(text) {
        if piece.starts {
            cut = piece.at;
        }
        used = used.saturating_add(piece.width);
        if used > room {
            break;
        }
    }
    let kept = text.get(..cut).unwrap_or_default().trim_end();
    Cow::Owned(format!("{kept}{ELLIPSIS}"))
}

/// How wide a text is, in hundredths of its font's size.
fn ems(text: &str) -> u32 {
    pieces(text).fold(0, |sum, piece| sum.saturating_add(piece.width))
}

/// What a character adds to its text.
struct Piece {
    at: usize,
    /// Whether a text may be cut before it.
    starts: bool,
    /// In hundredths of the font's size.
    width: u32,
    /// Whether no font in common use makes it wider.
    certain: bool,
}

/// The characters of a text, each by what is before it.
fn pieces(text: &str) -> impl Iterator<Item = Piece> + '_ {
    const JOINER: char = '\u{200d}';
    let mut begun = false;
    let mut joined = false;
    let mut half_a_flag = false;
    text.char_indices().map(move |(at, c)| {
        let letter_of_flag = matches!(c, '\u{1f1e6}'..='\u{1f1ff}');
        let completes_flag = letter_of_flag && half_a_flag;
        half_a_flag = letter_of_flag && !completes_flag;
        let starts = !joins(c) && !completes_flag && !joined;
        let (width, certain) = match extent(c) {
            // One picture with the emoji before it, where the font has that picture.
            Some(_)
                if joined && matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}') =>
            {
                (0, false)
            }
            Some(width) => (width, true),
            None => (110, false),
        };
        begun |= width > 0;
        joined = c == JOINER && begun;
        Piece { at, starts, width, certain }
    })
}

/// How wide a character is at most, in hundredths of its font's size; None
/// where fonts differ widely, or nobody has one.
///
/// It goes by DejaVu Sans Bold, which is wider than Arial, Segoe UI, Roboto and
/// San Francisco, and by a full em and more for what East Asian and emoji
/// fonts set on a square.
fn extent(c: char) -> Option<u32> {
    Some(match c {
        _ if joins(c) => 0,
        '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{feff}' => 0,
        ' ' | '\u{a0}' | 'i' | 'j' | 'l' | '\'' => 36,
        'I' | 'J' | '.' | ',' | ':' | ';' | '/' | '|' | '\\' | 'І' | 'і' | '·' | '‘' | '’' => {
            40
        }
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '!' | '-' | '"' | '*' | '`' | '_' | '–' | '°' => {
            52
        }
        'c' | 's' | 'z' => 60,
        'a' | 'e' | 'k' | 'o' | 'v' | 'x' | 'y' | '0'..='9' | '$' | '“' | '”' => 70,
        'm' | 'M' | 'W' | '%' | '@' => 110,
        'w' => 93,
        'D' | 'G' | 'H' | 'N' | 'O' | 'Q' | 'U' | '&' | '#' | '+' | '<' | '=' | '>' | '~' | '^' => {
            88
        }
        'a'..='z' | 'E' | 'F' | 'L' | 'S' | 'T' | 'Y' | 'Z' => 73,
        '!'..='~' => 78,
        'Æ' | 'æ' | 'Œ' | 'œ' | 'Ŵ' | 'ŵ' | '¼' | '½' | '¾' | '©' | '®' => 118,
        'м' | 'ы' | 'ф' | 'ю' | 'ж' | 'М' | 'Ф' | 'Ц' | 'Ъ' => 100,
        'ш' | 'щ' | 'Ы' => 112,
        'Ж' | 'Ш' | 'Щ' | 'Ю' | 'Љ' | 'Њ' => 133,
        // Latin with diacritics, Greek and Cyrillic, as their everyday letters are.
        '\u{df}'..='\u{ff}' | '\u{3ac}'..='\u{3ce}' | '\u{430}'..='\u{45f}' => 80,
        '\u{a1}'..='\u{1c3}'
        | '\u{1cd}'..='\u{1f0}'
        | '\u{1f4}'..='\u{24f}'
        | '\u{370}'..='\u{45f}' => 90,
        // Rare Cyrillic, Armenian, Georgian, and letters with two diacritics.
        '\u{460}'..='\u{58f}' | '\u{10a0}'..='\u{10ff}' | '\u{1e00}'..='\u{1fff}' => 100,
        // Tamil and its neighbours, whose letters are wide.
        '\u{b80}'..='\u{dff}' => 125,
        // Hebrew, Arabic, and the other scripts of South and South East Asia.
        '\u{590}'..='\u{109f}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{fb1d}'..='\u{fdcf}'
        | '\u{fe70}'..='\u{fefc}' => 92,
        '\u{2010}'..='\u{2027}'
        | '\u{2030}'..='\u{205e}'
        | '\u{20a0}'..='\u{20c0}'
        | '\u{fb00}'..='\u{fb06}' => 105,
        // Letter-like signs, Roman numerals, arrows, shapes, stars and the like.
        '\u{2070}'..='\u{2bff}' => 140,
        // Chinese, Japanese, Korean.
        '\u{3000}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff01}'..='\u{ffe6}'
        | '\u{20000}'..='\u{3ffff}' => 105,
        // The halves of flags, and other emoji.
        '\u{1f1e6}'..='\u{1f1ff}' => 75,
        '\u{1f000}'..='\u{1faff}' => 140,
        _ => return None,
    })
}

/// Whether a character joins the one before it and takes no room of its own:
/// marks, variation selectors, skin tones and joiners. What the standard
/// library does not know about marks is written here by block, which is near
/// enough for a cut.
fn joins(c: char) -> bool {
    match c {
        '\u{300}'..='\u{36f}'
        | '\u{483}'..='\u{489}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}'
        | '\u{302a}'..='\u{302f}'
        | '\u{3099}'
        | '\u{309a}' => true,
        // Points and vowels of Hebrew and Arabic.
        '\u{591}'..='\u{5bd}'
        | '\u{5bf}'
        | '\u{5c1}'
        | '\u{5c2}'
        | '\u{5c4}'
        | '\u{5c5}'
        | '\u{5c7}'
        | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}'
        | '\u{670}'
        | '\u{6d6}'..='\u{6dc}'
        | '\u{6df}'..='\u{6e4}'
        | '\u{6e7}'
        | '\u{6e8}'
        | '\u{6ea}'..='\u{6ed}' => true,
        // Vowel signs and viramas, which most of India's blocks have at the same
        // places. Some take room of their own; what is kept for the letters has it.
        '\u{900}'..='\u{d7f}' => {
            matches!(u32::from(c) % 0x80, 0x00..=0x03 | 0x3a..=0x3c | 0x3e..=0x4d | 0x62 | 0x63)
        }
        '\u{d81}'..='\u{d83}' | '\u{dca}'..='\u{ddf}' => true,
        // Thai and Lao.
        '\u{e31}'
        | '\u{e34}'..='\u{e3a}'
        | '\u{e47}'..='\u{e4e}'
        | '\u{eb1}'
        | '\u{eb4}'..='\u{ebc}'
        | '\u{ec8}'..='\u{ece}' => true,
        // Variation selectors, skin tones, tags of regional flags, the joiner and the non-joiner.
        '\u{fe00}'..='\u{fe0f}'
        | '\u{1f3fb}'..='\u{1f3ff}'
        | '\u{e0020}'..='\u{e007f}'
        | '\u{e0100}'..='\u{e01ef}'
        | '\u{200c}'
        | '\u{200d}' => true,
        _ => false,
    }
}

/// Whether a text runs from right to left: whether its first letter does.
fn runs_to_the_left(text: &str) -> bool {
    text.chars().find(|c| c.is_alphabetic()).is_some_and(|c| {
        matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn badge(status: &str, customer: &str, name: &str, icon: &str) -> String {
        let svg = draw(&Drawing { status, customer: Some(customer), tier: Some((name, icon)) });
        assert_well_formed(&svg);
        svg
    }

    fn text_of(svg: &str, element: &str) -> Vec<String> {
        svg.split(&format!("<{element}"))
            .skip(1)
            .map(|rest| rest.split_once('>').unwrap().1.split_once('<').unwrap().0.to_owned())
            .collect()
    }

    fn number(svg: &str, attribute: &str) -> u32 {
        svg.split_once(&format!(r#" {attribute}=""#))
            .unwrap()
            .1
            .split_once('"')
            .unwrap()
            .0
            .parse()
            .unwrap()
    }

    /// Tags are balanced, attributes quoted and said once, and text has no bare
    /// `&`, `<` or `>` and no character that XML 1.0 forbids.
    fn assert_well_formed(svg: &str) {
        let mut open = Vec::new();
        let mut rest = svg;
        while let Some((text, tail)) = rest.split_once('<') {
            assert_text(text, svg);
            let (tag, tail) = tail.split_once('>').unwrap();
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "{svg}");
            } else {
                let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
                let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
                let mut seen = Vec::new();
                while !attributes.is_empty() {
                    let (attribute, value) = attributes.split_once("=\"").unwrap();
                    let (value, others) = value.split_once('"').unwrap();
                    assert!(
                        attribute.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
                        "{attribute}: {svg}"
                    );
                    assert!(!seen.contains(&attribute), "{attribute} twice: {svg}");
                    assert!(!matches!(attribute, "style" | "class" | "id" | "href"), "{svg}");
                    assert_text(value, svg);
                    seen.push(attribute);
                    attributes = others.strip_prefix(' ').unwrap_or(others);
                }
                if !empty {
                    open.push(name);
                }
            }
            rest = tail;
        }
        assert!(rest.is_empty() && open.is_empty(), "{svg}");
    }

    fn assert_text(text: &str, svg: &str) {
        assert!(!text.contains(['<', '>']), "{svg}");
        assert!(
            !text.chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')),
            "{svg}"
        );
        for after in text.split('&').skip(1) {
            let (entity, _) = after.split_once(';').unwrap();
            assert!(["amp", "lt", "gt", "quot", "#39"].contains(&entity), "{svg}");
        }
    }

    fn luminance(colour: &str) -> f64 {
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// What a printer without grey makes of a colour.
    fn prints_black(colour: &str) -> bool {
        let part = |at: usize| u32::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap());
        (299 * part(1) + 587 * part(3) + 114 * part(5)) / 1000 < 128
    }

    #[test]
    fn each_status_has_its_words_and_its_colour() {
        for look in LOOKS {
            let svg = badge(look.status, "Ann", "Gold", "gold");
            assert_eq!(text_of(&svg, "text")[0], look.words);
            let plate = svg.split_once("<rect").unwrap().1.split_once("/>").unwrap().0;
            assert!(plate.contains(&format!(r#"fill="{}""#, look.plate)), "{svg}");
        }
        let plates = LOOKS.map(|look| look.plate);
        assert_eq!(plates, ["#15803d", "#1d4ed8", "#fbbf24", "#b91c1c"]);
    }

    #[test]
    fn words_stand_out_from_what_is_behind_them_in_colour_and_in_black_and_white() {
        for look in LOOKS {
            assert!(contrast(look.ink, look.plate) >= 4.5, "{}", look.status);
            assert_ne!(prints_black(look.ink), prints_black(look.plate), "{}", look.status);
            assert!(prints_black(look.edge), "{}", look.status);
        }
        assert!(contrast(PANEL_INK, PANEL) >= 4.5);
        for (icon, shape) in ICONS {
            for fill in shape.split("fill=\"#").skip(1) {
                let fill = format!("#{}", fill.split_once('"').unwrap().0);
                assert!(!prints_black(&fill), "{icon}");
                assert!(contrast(PANEL_INK, &fill) >= 4.5, "{icon}");
            }
        }
    }

    #[test]
    fn the_title_says_it_all() {
        assert_eq!(
            text_of(&badge("vip", "Ann Lee", "Gold", "gold"), "title"),
            ["Ann Lee: VIP, Gold"]
        );
        assert_eq!(
            text_of(&badge("do_not_serve", "Ann", "Gold", "gold"), "title"),
            ["Ann: Do Not Serve"]
        );
        let plain = draw(&Drawing { status: "active", customer: None, tier: None });
        assert_eq!(text_of(&plain, "title"), ["Active"]);
        assert_eq!(text_of(&badge("caution", "\u{7}", " ", "gold"), "title"), ["Caution"]);
    }

    #[test]
    fn who_is_not_served_has_a_sign_and_no_tier() {
        let svg = badge("do_not_serve", "Ann", "Gold", "gold");
        assert!(svg.contains(DO_NOT_SERVE.sign));
        assert!(!svg.contains("Gold") && !svg.contains(icon_shape("gold")), "{svg}");
        assert_eq!(
            svg,
            draw(&Drawing { status: "do_not_serve", customer: Some("Ann"), tier: None })
        );
    }

    #[test]
    fn caution_has_a_sign_and_keeps_the_tier() {
        let svg = badge("caution", "Ann", "Gold", "gold");
        assert!(svg.contains(CAUTION.sign) && svg.contains(icon_shape("gold")), "{svg}");
        assert_eq!(text_of(&svg, "text"), ["Caution", "Gold"]);
        assert!(!badge("vip", "Ann", "Gold", "gold").contains(CAUTION.sign));
    }

    #[test]
    fn a_status_that_nobody_knows_is_drawn_as_caution() {
        assert_eq!(
            badge("platinum", "Ann", "Gold", "gold"),
            badge("caution", "Ann", "Gold", "gold")
        );
    }

    #[test]
    fn each_icon_has_an_outline_of_its_own() {
        // Without the colours, which a label printer does not have.
        let outline = |icon: &str| {
            let shape = icon_shape(icon);
            assert!(badge("vip", "Ann", "Gold", icon).contains(shape), "{icon}");
            shape.split('#').map(|part| part.get(6..).unwrap_or(part)).collect::<String>()
        };
        let words = ["star", "bronze", "silver", "gold", "platinum", "diamond", "crown", "heart"];
        assert_eq!(ICONS.map(|(word, _)| word), words);
        let mut outlines = words.map(outline).to_vec();
        outlines.sort_unstable();
        outlines.dedup();
        assert_eq!(outlines.len(), words.len());
    }

    #[test]
    fn a_word_that_is_no_icon_is_a_star() {
        for word in ["", "Gold", "<b>"] {
            assert_eq!(badge("vip", "Ann", "Gold", word), badge("vip", "Ann", "Gold", "star"));
        }
    }

    #[test]
    fn names_are_escaped() {
        let svg = badge("vip", r#"<&"'>"#, r#"A<&"'>"#, "gold");
        assert_eq!(
            text_of(&svg, "title"),
            ["&lt;&amp;&quot;&#39;&gt;: VIP, A&lt;&amp;&quot;&#39;&gt;"]
        );
        assert_eq!(text_of(&svg, "text"), ["VIP", "A&lt;&amp;&quot;&#39;&gt;"]);
        let svg = badge("vip", "</title><script>", "&amp;]]>", "gold");
        assert_eq!(text_of(&svg, "title"), ["&lt;/title&gt;&lt;script&gt;: VIP, &amp;amp;]]&gt;"]);
    }

    #[test]
    fn emoji_and_names_from_right_to_left_are_kept() {
        let svg = badge("vip", "👩‍🚀 Zoë", "Gold 🏆", "gold");
        assert_eq!(text_of(&svg, "title"), ["👩‍🚀 Zoë: VIP, Gold 🏆"]);
        assert_eq!(text_of(&svg, "text"), ["VIP", "Gold 🏆"]);
        assert!(!svg.contains("direction"));
        for name in ["زبون ذهبي", "לקוח זהב", "& זהב"] {
            let svg = badge("vip", "محمد", name, "gold");
            assert_eq!(text_of(&svg, "text")[1], name.replace('&', "&amp;"));
            assert_eq!(svg.matches(r#" direction="rtl""#).count(), 1, "{svg}");
        }
    }

    #[test]
    fn what_xml_forbids_or_what_turns_the_text_around_is_dropped() {
        let svg = badge(
            "vip",
            "A\u{0}n\u{b}n\u{1b}\u{7f}\u{85}\r\n",
            "\u{fffe}Go\u{202e}l\u{2066}d\u{ffff}\t",
            "gold",
        );
        assert_eq!(text_of(&svg, "title"), ["Ann: VIP, Gold"]);
        assert_eq!(svg, badge("vip", "Ann", "Gold", "gold"));
    }

    #[test]
    fn a_tier_without_a_name_to_read_shows_its_icon() {
        let svg = badge("vip", "Ann", "\u{1}", "crown");
        assert_eq!(text_of(&svg, "text"), ["VIP"]);
        assert!(svg.contains(icon_shape("crown")));
        assert_eq!(text_of(&badge("vip", "Ann", "\u{200b}", "crown"), "text"), ["VIP"]);
        assert_eq!(
            text_of(&badge("vip", "Ann", "\u{200d}👩", "crown"), "text"),
            ["VIP", "\u{200d}👩"]
        );
    }

    #[test]
    fn long_names_are_shortened_on_the_plate_and_whole_in_the_title() {
        let long = "Founding Members of the Golden Circle & Friends";
        let svg = badge("vip", "Ann", long, "gold");
        assert_eq!(text_of(&svg, "text"), ["VIP", "Founding Members…"]);
        assert_eq!(text_of(&svg, "title"), [format!("Ann: VIP, {}", long.replace('&', "&amp;"))]);
        for name in [
            "W".repeat(100),
            "i".repeat(100),
            "界".repeat(100),
            "👩‍🚀".repeat(33),
            "\u{12000}".repeat(100),
        ] {
            let svg = badge("caution", "Ann", &name, "gold");
            assert!(text_of(&svg, "text")[1].ends_with('…'));
            assert!((700..=920).contains(&number(&svg, "width")), "{svg}");
        }
        // A name of nothing but marks takes no room, and needs none.
        assert_eq!(shortened(&"\u{301}".repeat(100), TIER_EMS), "\u{301}".repeat(100));
        assert_eq!(shortened("Gold", TIER_EMS), "Gold");
    }

    #[test]
    fn a_name_is_not_cut_within_a_character() {
        let cut = |text: &str, limit| shortened(text, limit).into_owned();
        assert_eq!(cut("ae\u{301}\u{302}bcd", 70 + 70 + 105), "ae\u{301}\u{302}…");
        assert_eq!(cut("ae\u{301}\u{302}bcd", 70 + 69 + 105), "a…");
        assert_eq!(cut("👩‍🚀👩‍🚀👩‍🚀", 2 * 140 + 104), "👩‍🚀…");
        assert_eq!(cut("👍🏽👍🏽👍🏽", 140 + 105), "👍🏽…");
        assert_eq!(cut("🇩🇪🇫🇷🇮🇹🇪🇸", 5 * 75 + 105), "🇩🇪🇫🇷…");
        assert_eq!(cut("हिन्दी हिन्दी", 3 * 92 + 105), "हिन्दी…");
    }

    #[test]
    fn only_text_of_unknown_width_is_told_its_length() {
        for name in [
            "Gold",
            "Größe Ünal",
            "Золото",
            "Χρυσός",
            "黄金会員",
            "골드",
            "Gold 🏆",
            "זהב",
            "★ VIP ™",
        ] {
            assert!(!badge("vip", "Ann", name, "gold").contains("textLength"), "{name}");
        }
        for name in ["𝕲𝖔𝖑𝖉", "\u{fdfd}", "Gold \u{12031}", "👩‍🚀"] {
            assert!(
                badge("vip", "Ann", name, "gold").contains(r#"lengthAdjust="spacingAndGlyphs""#),
                "{name}"
            );
        }
    }

    #[test]
    fn the_size_is_said_thrice_alike() {
        for look in LOOKS {
            for tier in [None, Some(("Gold", "gold")), Some(("Platinum Plus", "platinum"))] {
                let svg = draw(&Drawing { status: look.status, customer: None, tier });
                assert_well_formed(&svg);
                let width = number(&svg, "width");
                assert_eq!(number(&svg, "height"), 80);
                assert!(svg.contains(&format!(r#"viewBox="0 0 {width} 80""#)), "{svg}");
            }
        }
    }

    #[test]
    fn the_same_drawing_gives_the_same_bytes() {
        for (icon, _) in ICONS {
            assert_eq!(badge("vip", "Ann", "Gold", icon), badge("vip", "Ann", "Gold", icon));
        }
    }
}
