//! Files and batches of facts.

use super::{check_instant, first_line};
use accolade::api::facts::read_lines;
use accolade::domain::activity::Happening;
use accolade::domain::fact::{OrderStatus, Worth};
use accolade::domain::id::is_id;
use accolade::import::{self, Kind};
use accolade::workflow::facts::Line;
use std::collections::HashSet;

/// A batch: each line that is not blank has one result, under its number, and
/// harms no other.
pub fn ndjson(data: &[u8]) {
    let Ok(lines) = read_lines(data) else {
        assert!(std::str::from_utf8(data).is_err() || data.len() > 10_000, "refused whole");
        return;
    };
    let text = std::str::from_utf8(data).expect("what is read is UTF-8");
    let stated: Vec<usize> = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(n, _)| n)
        .collect();
    assert!(lines.iter().map(|(number, _)| *number).eq(stated), "each line has one result");
    for line in lines.iter().filter_map(|(_, line)| line.as_ref().ok()) {
        check(line);
    }
    let after_another = read_lines(&[b"{\"order\": 7}\n", data].concat()).expect("still a batch");
    assert!(after_another.first().is_some_and(|(_, line)| line.is_err()));
    assert_eq!(after_another.len(), lines.len() + 1);
    for ((number, line), (later, same)) in lines.iter().zip(&after_another[1..]) {
        assert_eq!(number + 1, *later);
        assert_eq!(line.as_ref().ok(), same.as_ref().ok(), "one bad line harms another");
    }
}

/// A file, after a line that says of what: each line of it is taken or refused,
/// and what it states does not depend on the order of the columns.
pub fn csv(data: &[u8]) {
    let Some((kind, _)) = first_line(data) else { return };
    let (kind, of_kind): (_, fn(&Line) -> bool) = match kind {
        "customers" => (Kind::Customer, |line| matches!(line, Line::Customer(..))),
        "orders" => (Kind::Order, |line| matches!(line, Line::Order(_))),
        "refunds" => (Kind::Refund, |line| matches!(line, Line::Refund(_))),
        _ => return,
    };
    let content = &data[data.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1)..];
    let mut reader =
        ::csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(content);
    let records: Result<Vec<::csv::StringRecord>, _> = reader.records().collect();
    let Ok((lines, refused)) = import::read_lines("file", kind, content) else {
        let header = records.as_ref().ok().and_then(|records| records.first());
        let is_twice = |header: &::csv::StringRecord| {
            let named = || header.iter().filter(|name| !name.is_empty());
            named().collect::<HashSet<_>>().len() < named().count()
        };
        assert!(header.is_none_or(is_twice), "a file is refused without a reason");
        return;
    };
    let records = records.expect("what is read can be read");
    assert_eq!(lines.len() + refused.len(), records.len().saturating_sub(1), "a line is lost");
    for read in &lines {
        assert!(of_kind(&read.line));
        check(&read.line);
    }
    assert!(refused.iter().all(|line| line.file == "file" && !line.reason.is_empty()));
    // At its beginning alone, this mark is not part of a name.
    if content.windows(3).any(|mark| mark == "\u{feff}".as_bytes()) {
        return;
    }
    let mut turned = ::csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for record in &records {
        turned.write_record(record.iter().rev()).expect("written to memory");
    }
    let turned = turned.into_inner().expect("written to memory");
    let (again, _) = import::read_lines("file", kind, turned.as_slice()).expect("still a file");
    assert!(
        again.iter().map(|read| &read.line).eq(lines.iter().map(|read| &read.line)),
        "the order of columns matters"
    );
}

/// What holds of any fact that was taken.
fn check(line: &Line) {
    match line {
        Line::Order(order) => {
            assert!(is_id(order.id.as_str()) && is_id(order.customer.as_str()));
            assert!(order.total >= 0);
            assert_eq!(order.completed_at.is_some(), order.status == OrderStatus::Completed);
            check_instant(order.placed_at);
            order.completed_at.into_iter().chain(order.updated_at).for_each(check_instant);
        }
        Line::Refund(refund) => {
            assert!(is_id(refund.id.as_str()) && is_id(refund.order.as_str()));
            assert!(refund.amount.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
            check_instant(refund.refunded_at);
        }
        Line::Activity(activity) => {
            assert!(is_id(activity.id.as_str()) && is_id(activity.customer.as_str()));
            check_instant(activity.occurred_at);
            activity.updated_at.into_iter().for_each(check_instant);
            match &activity.happening {
                Happening::Points { worth } => {
                    assert!(matches!(worth, Worth::Event(_) | Worth::Points(1..)));
                }
                Happening::Referral { referred } => assert_ne!(*referred, activity.customer),
                Happening::Survey { score } => assert!((1..=5).contains(score)),
                Happening::Complaint { channel, resolved_at, .. } => {
                    check_text(channel, 64);
                    assert!(resolved_at.is_none_or(|at| at >= activity.occurred_at));
                    resolved_at.iter().copied().for_each(check_instant);
                }
                Happening::Contact { channel, agent, note, .. } => {
                    check_text(channel, 64);
                    agent.iter().for_each(|text| check_text(text, 64));
                    note.iter().for_each(|text| check_text(text, 2000));
                }
            }
        }
        Line::Customer(id, profile) => {
            assert!(is_id(id.as_str()));
            profile.name.iter().for_each(|text| check_text(text, 200));
            profile.email.iter().for_each(|text| check_text(text, 254));
            profile.preferred_channel.iter().for_each(|text| check_text(text, 64));
            profile.tags.iter().for_each(|text| check_text(text, 64));
            assert!(profile.tags.len() <= 50);
            assert_eq!(profile.tags.iter().collect::<HashSet<_>>().len(), profile.tags.len());
            profile.joined_at.into_iter().for_each(check_instant);
        }
    }
}

/// What holds of any text that was taken: it says something, both databases can
/// hold it, and it has a limit.
fn check_text(text: &str, length_max: usize) {
    assert!(text.contains(|c| c > ' '), "{text:?} says nothing");
    assert!(!text.contains('\0') && text.chars().count() <= length_max, "{text:?}");
}
