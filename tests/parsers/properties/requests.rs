//! What a request says besides its body: headers, tokens, cursors. And the one
//! text that answers may be run as a program by: a cell of a file.

use super::first_line;
use accolade::api::auth::{Allowed, Caller, ReadOne, Role};
use accolade::api::csv::{Cell, lines, wants_csv};
use accolade::api::extract::{IfMatchHeader, Query};
use accolade::api::idempotency::IdempotencyKey;
use accolade::api::tokens::{Parties, Secret, Trust, Verifier, is_subject};
use accolade::api::wire::{self, PageQuery, cursor as written, parse_cursor};
use accolade::db::page::Seek;
use accolade::domain::id::{StoreId, is_id};
use accolade::domain::words::word;
use accolade::workflow::IfMatch;
use actix_web::dev::Payload;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::test::TestRequest;
use actix_web::{FromRequest, HttpRequest, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;
use std::sync::OnceLock;

/// A cursor, or what one would stand for, as JSON. One that is taken is what
/// this service would have written; one that it writes is taken.
pub fn cursor(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let seek: Option<Seek> = parse_cursor(text);
    assert_eq!(wire::is_cursor(text).is_ok(), seek.is_some());
    if let Some(seek) = seek {
        assert_eq!(written(&seek), text, "a cursor that was never written is taken");
        let texts = [&seek.text, &seek.id];
        assert!(texts.iter().all(|text| !text.contains('\0')), "no database can look for U+0000");
    }
    let Ok(seek) = serde_json::from_str::<Seek>(text) else { return };
    // As long as what lists are sorted by can be.
    let is_possible = is_id(&seek.id) && seek.text.chars().count() <= 200;
    if is_possible && !seek.text.contains(char::is_control) {
        let text = written(&seek);
        let uri = format!("/?limit=50&cursor={text}");
        let query = Query::<PageQuery>::from_request(&request(&uri, &[]), &mut Payload::None);
        let after = query.into_inner().ok().and_then(|query| query.0.after());
        assert_eq!(after, Some(seek), "{text} is not taken back");
    }
}

fn request(uri: &str, headers: &[(HeaderName, HeaderValue)]) -> HttpRequest {
    let mut request = TestRequest::post().uri(uri).app_data(web::Data::from(verifier()));
    for header in headers {
        request = request.append_header(header.clone());
    }
    request.to_http_request()
}

/// Headers, each on a line as `Name: value`.
pub fn headers(data: &[u8]) {
    let headers: Vec<(HeaderName, HeaderValue)> = data
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(&line[..colon]).ok()?;
            Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
        })
        .collect();
    let request = request("/", &headers);
    let given = |name: &str| {
        let of_name = |(of, value): &(HeaderName, HeaderValue)| {
            (of.as_str() == name).then(|| value.as_bytes().to_vec())
        };
        headers.iter().filter_map(of_name).collect::<Vec<_>>()
    };

    let key = IdempotencyKey::from_request(&request, &mut Payload::None).into_inner();
    let store = StoreId::parse("shop").expect("an id");
    let caller = Caller { store, subject: "ann".to_owned(), role: Role::Manager };
    let key = key.map(|key| key.of("post_credit", &caller, b"").map(|keyed| keyed.key));
    match (given("idempotency-key").as_slice(), key) {
        ([], key) => assert!(matches!(key, Ok(None)), "a key comes from nowhere"),
        ([one], Ok(key)) => {
            assert_eq!(key.map(String::into_bytes).as_ref(), Some(one));
            assert!((1..=255).contains(&one.len()) && one.iter().all(u8::is_ascii_graphic));
        }
        ([one], Err(_)) => {
            assert!(one.is_empty() || one.len() > 255 || !one.iter().all(u8::is_ascii_graphic));
        }
        (_, key) => assert!(key.is_err(), "of two keys one is taken"),
    }

    let tags = given("if-match");
    let if_match = IfMatchHeader::from_request(&request, &mut Payload::None).into_inner();
    match if_match.map(|if_match| if_match.0) {
        Ok(IfMatch::Absent) => assert!(tags.is_empty(), "If-Match is passed over"),
        Ok(IfMatch::Any) => assert_eq!(tags, [b"*"]),
        Ok(IfMatch::Versions(versions)) => {
            let is_stated = |version: &i64| {
                let tag = format!("\"{version}\"");
                let has =
                    |line: &Vec<u8>| line.windows(tag.len()).any(|part| part == tag.as_bytes());
                tags.iter().any(has)
            };
            assert!(!tags.is_empty() && versions.iter().all(is_stated), "{versions:?}");
        }
        Err(_) => assert!(!tags.is_empty()),
    }

    let allowed = Allowed::<ReadOne>::from_request(&request, &mut Payload::None).into_inner();
    assert!(allowed.is_err(), "a token that nobody has signed is taken");
    if wants_csv(&request) {
        let accept = given("accept");
        assert!(accept.iter().any(|line| line.windows(5).any(|part| part == b"text/")));
    }
}

const SECRET: [u8; 32] = [7; 32];

fn verifier() -> std::sync::Arc<Verifier> {
    static VERIFIER: OnceLock<std::sync::Arc<Verifier>> = OnceLock::new();
    let new = || {
        let secret = Secret::new(SECRET.to_vec());
        let trust = Trust { parties: Parties::default(), secret, jwks_file: None };
        std::sync::Arc::new(Verifier::new(&trust).expect("a secret"))
    };
    VERIFIER.get_or_init(new).clone()
}

/// A token as it comes, which is never good; or a header and, on the next line,
/// claims, which are signed here: it is good only if all of it is.
pub fn tokens(data: &[u8]) {
    let verifier = verifier();
    let at = |seconds| DateTime::from_timestamp(seconds, 0).expect("an instant");
    let now = 1_800_000_000;
    let Some((header, claims)) = first_line(data) else {
        let token = String::from_utf8_lossy(data);
        assert!(verifier.verify(&token, at(now)).is_none(), "{token} is taken");
        return;
    };
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signed = |secret: &[u8]| {
        let key = EncodingKey::from_secret(secret);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
        format!("{message}.{}", signature.expect("a signature"))
    };
    let token = signed(&SECRET);
    let Some(caller) = verifier.verify(&token, at(now)) else { return };
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    // What is passed over may be nested deeper than what is read here.
    let Some((header, claims)) = read(header).zip(read(claims)) else { return };
    assert_eq!(header["alg"], "HS256");
    for never in ["kid", "crit", "b64", "jku", "jwk", "x5u", "x5c"] {
        assert!(header.get(never).is_none(), "{never} is passed over");
    }
    let types = ["jwt", "at+jwt", "application/at+jwt"];
    let is_known =
        |typ: &Value| typ.as_str().is_some_and(|typ| types.contains(&&*typ.to_lowercase()));
    assert!(header.get("typ").is_none_or(is_known));
    assert_eq!(claims["iss"], "accolade");
    let audience = &claims["aud"];
    let is_among = |list: &Vec<Value>| list.iter().any(|one| one == "accolade");
    assert!(audience == "accolade" || audience.as_array().is_some_and(is_among));
    let expires = claims["exp"].as_i64().expect("a whole number");
    assert!(expires > now);
    assert!(claims.get("nbf").is_none_or(|from| from.as_i64().is_some_and(|from| from <= now)));
    assert_eq!(claims["sub"], caller.subject.as_str());
    assert_eq!(claims["store"], caller.store.as_str());
    assert_eq!(claims["role"], word(&Role::WORDS, &caller.role));
    assert!(is_id(caller.store.as_str()) && is_subject(&caller.subject));
    // Good as it is remembered, good to its end, and good as it was signed alone.
    assert!(verifier.verify(&token, at(now)).is_some());
    if let Some(end) = DateTime::from_timestamp(expires, 0) {
        assert!(verifier.verify(&token, end).is_none(), "good after its end");
    }
    for forged in [signed(&[8; 32]), format!("{token}A"), format!("{message}.")] {
        assert!(verifier.verify(&forged, at(now)).is_none(), "{forged} is taken");
    }
}

/// Texts, parted by U+0000, as cells of a row. None is lost, and in whichever way
/// a spreadsheet parts the cells, none is run as a formula.
pub fn cells(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let texts: Vec<&str> = text.split('\0').collect();
    let row = texts.iter().copied().map(Cell::text).collect();
    let file = lines(vec![vec![Cell::plain("column")], row]).expect("lines");
    let records = |delimiter: u8| {
        let mut reader = ::csv::ReaderBuilder::new();
        let reader = reader.delimiter(delimiter).flexible(true);
        let records: Result<Vec<_>, _> = reader.from_reader(&file[..]).into_records().collect();
        records.expect("UTF-8")
    };
    let without = |text: &str| text.replace('\'', "");
    let whole: Vec<String> = records(b',').iter().flatten().map(without).collect();
    assert_eq!(whole, texts.iter().copied().map(without).collect::<Vec<_>>());
    for delimiter in *b",;\t" {
        for cell in records(delimiter).iter().flatten() {
            let begun = cell.trim_start_matches(['\t', '\r', '\n']);
            // Of a row that is not parted, a number stays one in the first cell.
            let first = begun.split(',').next().unwrap_or_default();
            let is_number = first.parse::<f64>().is_ok() && first.ends_with(char::is_numeric);
            let is_formula = begun.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
            assert!(is_number || !is_formula, "{cell:?} is run as a formula");
        }
    }
}
