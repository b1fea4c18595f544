//! Amounts, identifiers and instants: texts of a few characters.

use super::check_instant;
use accolade::api::activities::ActivityIn;
use accolade::api::changes::ChangeQuery;
use accolade::api::extract::{Id, Query, parse};
use accolade::api::refunds::RefundIn;
use accolade::domain::activity::Happening;
use accolade::domain::change::EffectiveFrom;
use accolade::domain::id::{ActivityId, CustomerId, ID_PATTERN, RefundId, is_id};
use accolade::domain::money::{Amount, Currency, InvalidAmount, parse_amount};
use actix_web::FromRequest;
use actix_web::dev::{Payload, ResourceDef};
use actix_web::test::TestRequest;
use serde_json::json;
use std::sync::OnceLock;

/// A currency and an amount, `GBP 129.95`: what is taken is written with the same
/// value, and what is refused is refused for what is wrong with it.
pub fn money(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some((code, text)) = text.split_once(' ') else { return };
    let Some(currency) = Currency::parse(code) else { return };
    assert_eq!(currency.code(), code);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_decimal = is_digits(whole) && is_digits(fraction);
    let decimals = currency.decimals() as usize;
    let is_precise = text.contains('.') && fraction.len() > decimals;
    match parse_amount(text, currency) {
        Ok(minor) => {
            let written = Amount(minor, currency).to_string();
            assert!(is_decimal && minor >= 0, "{text} is taken as {written}");
            assert_eq!(shortest(&written), shortest(text), "{text} is rounded to {written}");
            assert_eq!(parse_amount(&written, currency), Ok(minor));
        }
        Err(InvalidAmount::Malformed) => assert!(!is_decimal, "{text} is decimal"),
        Err(InvalidAmount::TooPrecise { .. }) => assert!(is_decimal && is_precise, "{text}"),
        Err(InvalidAmount::TooLarge(most)) => {
            assert!(is_decimal && !is_precise, "{text}");
            let (whole, most) = (shortest(text), shortest(&most));
            let digits = |text: &str| text.find('.').unwrap_or(text.len());
            assert!(
                (digits(&whole), &whole) > (digits(&most), &most),
                "{text} is not above {most}"
            );
        }
    }
}

/// A decimal number without the zeros that say nothing.
fn shortest(text: &str) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    format!("{whole}.{fraction}")
}

/// An identifier is taken where the document's pattern says so, and comes out of
/// a path as it went in, however it was escaped.
pub fn ids(data: &[u8]) {
    static PATTERN: OnceLock<jsonschema::Validator> = OnceLock::new();
    let schema = json!({"type": "string", "pattern": ID_PATTERN});
    let pattern = PATTERN.get_or_init(|| jsonschema::validator_for(&schema).expect("a schema"));
    let text = std::str::from_utf8(data).ok();
    let is_good = text.is_some_and(is_id);
    if let Some(text) = text {
        assert_eq!(pattern.is_valid(&json!(text)), is_good, "{text:?}");
        assert_eq!(
            CustomerId::parse(text).ok().map(|id| id.to_string() == text),
            is_good.then_some(true)
        );
    }
    if data.is_empty() || data.len() > 200 {
        return;
    }
    let escaped: String = data.iter().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(id_of_path(&escaped).is_some(), is_good, "{text:?} in a path");
    for path in [Some(escaped.as_str()), text].into_iter().flatten().filter(|_| is_good) {
        assert_eq!(id_of_path(path).as_deref(), text, "the path {path}");
    }
}

fn id_of_path(segment: &str) -> Option<String> {
    let uri = format!("/v1/customers/{segment}/orders");
    let mut request = TestRequest::get().uri(&uri).to_srv_request();
    let route = ResourceDef::new("/v1/customers/{customer_id}/orders");
    route.capture_match_info(request.match_info_mut()).then_some(())?;
    let id = Id::<CustomerId>::from_request(request.request(), &mut Payload::None).into_inner();
    id.ok().map(|id| id.0.to_string())
}

/// An instant or a date, in a body and in a query string.
pub fn instants(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let refund = json!({"order_id": "o1", "amount": "1", "refunded_at": text});
    let id = RefundId::parse("r1").expect("an id");
    let refund = parse::<RefundIn>(refund, "").and_then(|refund| refund.into_refund(id));
    if let Ok(refund) = &refund {
        check_instant(refund.refunded_at);
    }
    let contact = json!({
        "customer_id": "c1", "kind": "contact", "channel": "email", "follow_up_on": text,
        "occurred_at": "2024-06-01T10:00:00Z",
    });
    let id = ActivityId::parse("a1").expect("an id");
    let contact = parse::<ActivityIn>(contact, "").and_then(|contact| contact.into_activity(id));
    if let Ok(contact) = contact {
        let Happening::Contact { follow_up_on, .. } = contact.happening else { panic!("{text}") };
        assert_eq!(follow_up_on.map(|date| date.to_string()).as_deref(), Some(text));
    }
    // Longer than a parameter can be, with all its digits.
    if text.chars().count() > 40 {
        return;
    }
    let escaped: String = data.iter().map(|byte| format!("%{byte:02X}")).collect();
    let request = TestRequest::get().uri(&format!("/?effective_from={escaped}")).to_http_request();
    let query = Query::<ChangeQuery>::from_request(&request, &mut Payload::None).into_inner();
    match query.map(|query| query.0.options().effective_from) {
        Ok(EffectiveFrom::At(at)) => {
            check_instant(at);
            if let Ok(refund) = refund {
                assert_eq!(at, refund.refunded_at, "{text} is two instants");
            }
        }
        Ok(EffectiveFrom::Beginning) => assert_eq!(text, "beginning"),
        Ok(EffectiveFrom::Now) => panic!("{text} is taken for now"),
        Err(_) => assert!(refund.is_err(), "{text} is taken in a body alone"),
    }
}
