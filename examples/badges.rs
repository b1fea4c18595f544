//! Every badge on one page: `cargo run -q --example badges > badges.html`. The
//! picture in `docs/badges.png` is a photograph of it.

use accolade::api::svg::{Drawing, draw};
use accolade::domain::benefit::Icon;
use accolade::domain::status::Status;
use std::io::{Result, Write};

const HEAD: &str = "<!doctype html><meta charset=\"utf-8\"><title>Badges</title><style>
    body { font: 15px sans-serif; margin: 24px; width: 1240px; }
    svg { width: auto; margin: 3px 5px; }
    .screen svg { height: 38px; }
    .text svg { height: 20px; }
    .label svg { height: 38px; filter: grayscale(1) contrast(20); }
</style>";

fn main() -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{HEAD}")?;
    for (class, title) in [
        ("screen", "On a screen"),
        ("text", "In a line of text, 20 pixels high"),
        ("label", "On a label, in black and white"),
    ] {
        writeln!(out, "<h2>{title}</h2>")?;
        for (status, _) in Status::WORDS {
            writeln!(out, "<div class=\"{class}\">")?;
            badge(&mut out, status, None)?;
            // Who is not served has no tier on the badge.
            for (icon, _) in Icon::WORDS.iter().filter(|_| status != "do_not_serve") {
                badge(&mut out, status, Some((&title_case(icon), icon)))?;
            }
            writeln!(out, "</div>")?;
        }
    }
    writeln!(out, "<h2>Names of any kind</h2><div class=\"screen\">")?;
    for (name, icon) in [
        ("Gold <&\"'> Co", "gold"),
        ("A name that is much too long for any label", "silver"),
        ("Größe & Ærø", "star"),
        ("Платиновый", "diamond"),
        ("Χρυσός", "crown"),
    ] {
        badge(&mut out, "vip", Some((name, icon)))?;
    }
    writeln!(out, "</div>")
}

fn badge(out: &mut impl Write, status: &str, tier: Option<(&str, &str)>) -> Result<()> {
    writeln!(out, "{}", draw(&Drawing { status, customer: Some("Ada Byron"), tier }))
}

fn title_case(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
