//! Tokens: what they say, which keys verify them, and which of them are
//! remembered (RFC 7519, RFC 8725).
//!
//! The key says the algorithm, never the token. A token that names a key
//! (`kid`) is verified by that key of the file alone, any other by the secret
//! alone, so that nothing meant for one can be tried with another.

use super::auth::{Caller, Role};
use crate::domain::Instant;
use crate::domain::id::StoreId;
use crate::domain::words::{value, word};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The shortest secret, in bytes (RFC 7518, section 3.2).
pub const SECRET_LENGTH_MIN: usize = 32;
/// How long keys are used before their file is looked at again.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The longest token, in bytes.
const TOKEN_LENGTH_MAX: usize = 8 * 1024;
/// The longest subject, in characters (OpenID Connect Core, section 2).
const SUBJECT_LENGTH_MAX: usize = 255;
/// The largest file of keys, in bytes.
const FILE_SIZE_MAX: u64 = 256 * 1024;
/// Half of the tokens that are remembered at most.
const GENERATION_SIZE_MAX: usize = 5_000;

/// A secret that does not print.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes a secret of at least [`SECRET_LENGTH_MIN`] bytes; `None` for a shorter one.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() >= SECRET_LENGTH_MIN).then_some(Self(bytes))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Who issues tokens, and whom they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parties {
    /// The claim `iss`.
    pub issuer: String,
    /// The claim `aud`, or one of several that it lists.
    pub audience: String,
}

impl Default for Parties {
    fn default() -> Self {
        Self { issuer: "accolade".to_owned(), audience: "accolade".to_owned() }
    }
}

/// Whose tokens are taken.
#[derive(Debug, Clone)]
pub struct Trust {
    /// What they say of who issued them and for whom.
    pub parties: Parties,
    /// What verifies those that name no key.
    pub secret: Option<Secret>,
    /// The file of public keys, which verify those that name one.
    pub jwks_file: Option<PathBuf>,
}

/// A file of keys that can't be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidKeys(String);

/// Whether a text can be a subject: it is stored with whatever its bearer does.
pub fn is_subject(text: &str) -> bool {
    (1..=SUBJECT_LENGTH_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// A token for a caller, signed with the secret.
///
/// # Errors
/// [`jsonwebtoken::errors::Error`] where it can't be signed.
pub fn issue(
    secret: &Secret,
    parties: &Parties,
    caller: &Caller,
    now: Instant,
    ttl: chrono::Duration,
) -> Result<String, jsonwebtoken::errors::Error> {
    let claims = json!({
        "iss": parties.issuer,
        "aud": parties.audience,
        "sub": caller.subject,
        "store": caller.store.as_str(),
        "role": word(&Role::WORDS, &caller.role),
        "iat": now.timestamp(),
        "exp": now.timestamp().saturating_add(ttl.num_seconds()),
    });
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(&secret.0))
}

/// A token's header. What is not named here is ignored, thumbprints among it.
#[derive(Deserialize)]
struct HeaderIn {
    alg: Algorithm,
    #[serde(default, deserialize_with = "stated")]
    typ: Option<String>,
    #[serde(default, deserialize_with = "stated")]
    kid: Option<String>,
    // What would have to be understood before the token means anything.
    #[serde(default, deserialize_with = "stated")]
    crit: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "stated")]
    b64: Option<IgnoredAny>,
    // A token never brings the key that it is verified by, nor says where it is.
    #[serde(default, deserialize_with = "stated")]
    jku: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "stated")]
    jwk: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "stated")]
    x5u: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "stated")]
    x5c: Option<IgnoredAny>,
}

impl HeaderIn {
    /// Whether the token is an access token, or of no stated type, and asks for
    /// nothing that is not done here.
    fn is_plain(&self) -> bool {
        let refused = [&self.crit, &self.b64, &self.jku, &self.jwk, &self.x5u, &self.x5c];
        let types = ["JWT", "at+jwt", "application/at+jwt"];
        refused.iter().all(|parameter| parameter.is_none())
            && self.typ.as_ref().is_none_or(|typ| types.iter().any(|t| t.eq_ignore_ascii_case(typ)))
    }
}

/// What a token says.
#[derive(Deserialize)]
struct ClaimsIn {
    iss: String,
    aud: Audience,
    sub: String,
    store: String,
    role: String,
    exp: i64,
    #[serde(default, deserialize_with = "stated")]
    nbf: Option<i64>,
    #[serde(default, deserialize_with = "stated", rename = "iat")]
    _iat: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn has(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

/// What may be left out, but is of its type where it stands: `null` is not.
fn stated<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// The object that a part of a token is.
fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    let json = URL_SAFE_NO_PAD.decode(text).ok()?;
    // An array would do for a struct as well.
    json.trim_ascii_start().starts_with(b"{").then_some(())?;
    serde_json::from_slice(&json).ok()
}

/// A key, and the one algorithm that it verifies by.
#[derive(Clone)]
struct Key {
    algorithm: Algorithm,
    key: DecodingKey,
    /// What it was made of; nothing of a secret.
    material: Vec<Option<String>>,
}

/// The keys of a file, by their `kid`.
#[derive(Default)]
struct Keys(HashMap<String, Key>);

/// What only private and symmetric keys have.
const NEVER_PUBLIC: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A JSON Web Key Set (RFC 7517).
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Map<String, Value>>,
}

impl Keys {
    /// Reads a JSON Web Key Set. One key that can't be used makes the whole of
    /// it unusable, so that nobody takes it for loaded; but those that say that
    /// they are for encryption, which many issuers publish along, are passed over.
    fn parse(content: &[u8]) -> Result<Self, InvalidKeys> {
        if u64::try_from(content.len()).is_ok_and(|size| size > FILE_SIZE_MAX) {
            return Err(InvalidKeys(format!("is larger than {FILE_SIZE_MAX} bytes")));
        }
        // The error's own words may show what stands in the file.
        let set: KeySet = serde_json::from_slice(content).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            InvalidKeys(format!("is no JSON Web Key Set (line {line}, column {column})"))
        })?;
        let mut keys = HashMap::new();
        for (number, jwk) in (1..).zip(&set.keys) {
            let kid = text(jwk, "kid").filter(|kid| !kid.is_empty());
            let kid = kid.ok_or_else(|| InvalidKeys(format!("key number {number} has no kid")))?;
            let unusable = |fault| InvalidKeys(format!("the key with the kid {kid:?} {fault}"));
            check_public(jwk).map_err(unusable)?;
            if text(jwk, "use") == Some("enc") {
                continue;
            }
            let key = Key::parse(jwk).map_err(unusable)?;
            if keys.insert(kid.to_owned(), key).is_some() {
                return Err(InvalidKeys(format!("two keys have the kid {kid:?}")));
            }
        }
        Ok(Self(keys))
    }

    /// Those of these keys that a set still has, as they are and under their
    /// names, where it is a set at all.
    fn still_there(&self, content: &[u8]) -> Option<Self> {
        let set: KeySet = serde_json::from_slice(content).ok()?;
        let is_there = |kid: &String, key: &Key| {
            let mut named = set.keys.iter().filter(|jwk| text(jwk, "kid") == Some(kid));
            named.any(|jwk| material(jwk) == key.material)
        };
        let kept = self.0.iter().filter(|(kid, key)| is_there(kid, key));
        Some(Self(kept.map(|(kid, key)| (kid.clone(), key.clone())).collect()))
    }
}

/// Refuses a key that nobody should have put into a file.
fn check_public(jwk: &Map<String, Value>) -> Result<(), &'static str> {
    if text(jwk, "kty") == Some("oct") {
        return Err("is symmetric: that is what JWT_SECRET is for");
    }
    if NEVER_PUBLIC.iter().any(|member| jwk.contains_key(*member)) {
        return Err("is private: only public keys belong into the file");
    }
    Ok(())
}

impl Key {
    fn parse(jwk: &Map<String, Value>) -> Result<Self, &'static str> {
        if jwk.get("use").is_some_and(|usage| usage != "sig") {
            return Err("is not for signatures: use must be \"sig\"");
        }
        let verifies = |operations: &Value| *operations == json!(["verify"]);
        if jwk.get("key_ops").is_some_and(|operations| !verifies(operations)) {
            return Err("is not for verifying alone: key_ops must be [\"verify\"]");
        }
        let (name, algorithm, key) = match (text(jwk, "kty"), text(jwk, "crv")) {
            (Some("OKP"), Some("Ed25519")) => ("EdDSA", Algorithm::EdDSA, ed25519(jwk)?),
            (Some("EC"), Some("P-256")) => ("ES256", Algorithm::ES256, p256(jwk)?),
            (Some("RSA"), _) => ("RS256", Algorithm::RS256, rsa(jwk)?),
            _ => return Err("is neither Ed25519 (OKP), P-256 (EC) nor RSA"),
        };
        if jwk.get("alg").is_some_and(|alg| alg != name) {
            return Err("has an alg that is not the key's: EdDSA, ES256 or RS256");
        }
        // Tried once, so that a key that can verify nothing shows now.
        match jsonwebtoken::crypto::verify("", b"", &key, algorithm) {
            Ok(_) => Ok(Self { algorithm, key, material: material(jwk) }),
            Err(_) => Err("is no point on its curve"),
        }
    }
}

/// What makes a key that key, whatever it is called.
fn material(jwk: &Map<String, Value>) -> Vec<Option<String>> {
    let members = ["kty", "crv", "x", "y", "n", "e"];
    members.iter().map(|name| text(jwk, name).map(str::to_owned)).collect()
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    jwk.get(name)?.as_str()
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok()
}

fn ed25519(jwk: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    let x = bytes(jwk, "x").filter(|x| x.len() == 32);
    Ok(DecodingKey::from_ed_der(&x.ok_or("has no x of 32 bytes")?))
}

fn p256(jwk: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    let coordinate = |name| bytes(jwk, name).filter(|bytes| bytes.len() == 32);
    let (x, y) = coordinate("x").zip(coordinate("y")).ok_or("has no x and y of 32 bytes")?;
    // As SEC 1 writes a point that is not compressed.
    Ok(DecodingKey::from_ec_der(&[&[4], x.as_slice(), y.as_slice()].concat()))
}

fn rsa(jwk: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    let number = |name| {
        let bytes = bytes(jwk, name)?;
        Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>())
    };
    let (n, e) = number("n").zip(number("e")).ok_or("has no n and e")?;
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    let has_2048_bits = n.len() > 256 || n.len() == 256 && n.first() >= Some(&0x80);
    if !has_2048_bits || n.len() > 512 || !is_odd(&n) {
        return Err("must have a modulus of 2048 to 4096 bits");
    }
    if !is_odd(&e) || e == [1] || e.len() > 4 {
        return Err("must have an odd exponent from 3 to 2^32");
    }
    Ok(DecodingKey::from_rsa_raw_components(&n, &e))
}

/// A token that a key has verified.
#[derive(Clone)]
struct Verified {
    caller: Caller,
    not_before: Option<i64>,
    expires: i64,
}

impl Verified {
    /// Whether it is good at an instant. There is no leeway.
    fn holds_at(&self, now: Instant) -> bool {
        let now = now.timestamp();
        now < self.expires && self.not_before.is_none_or(|from| from <= now)
    }
}

/// Verified tokens by their hashes. They come into the younger of two
/// generations; when that is full, it takes the place of the older.
#[derive(Default)]
struct Memory {
    younger: HashMap<[u8; 32], Verified>,
    older: HashMap<[u8; 32], Verified>,
}

impl Memory {
    fn find(&mut self, hash: &[u8; 32]) -> Option<Verified> {
        if let Some(known) = self.younger.get(hash) {
            return Some(known.clone());
        }
        let known = self.older.remove(hash)?;
        self.insert(*hash, known.clone());
        Some(known)
    }

    fn insert(&mut self, hash: [u8; 32], verified: Verified) {
        if self.younger.len() >= GENERATION_SIZE_MAX {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(hash, verified);
    }

    fn forget(&mut self, hash: &[u8; 32]) {
        self.younger.remove(hash);
        self.older.remove(hash);
    }
}

/// What changes while tokens are verified.
struct State {
    keys: Arc<Keys>,
    /// What was read last, whether it could be used or not.
    content: Result<Vec<u8>, ErrorKind>,
    looked_at: std::time::Instant,
    memory: Memory,
}

/// Verifies tokens.
pub struct Verifier {
    parties: Parties,
    secret: Option<Key>,
    file: Option<PathBuf>,
    look_every: Duration,
    state: Mutex<State>,
    signatures_checked: AtomicU64,
}

impl Verifier {
    /// Verifies tokens of those who are trusted.
    ///
    /// # Errors
    /// [`InvalidKeys`] where the file of keys can't be used.
    pub fn new(trust: &Trust) -> Result<Self, InvalidKeys> {
        let content = trust.jwks_file.as_deref().map_or(Ok(Vec::new()), read);
        let keys = match &trust.jwks_file {
            Some(_) => keys_of(&content)?,
            None => Keys::default(),
        };
        let secret = trust.secret.as_ref().map(|secret| Key {
            algorithm: Algorithm::HS256,
            key: DecodingKey::from_secret(&secret.0),
            material: Vec::new(),
        });
        Ok(Self {
            parties: trust.parties.clone(),
            secret,
            file: trust.jwks_file.clone(),
            look_every: LOOK_EVERY,
            state: Mutex::new(State {
                keys: Arc::new(keys),
                content,
                looked_at: std::time::Instant::now(),
                memory: Memory::default(),
            }),
            signatures_checked: AtomicU64::new(0),
        })
    }

    /// Whom a token names, if it is good at an instant.
    pub fn verify(&self, token: &str, now: Instant) -> Option<Caller> {
        if token.len() > TOKEN_LENGTH_MAX {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        let keys = {
            let mut state = self.state();
            if let Some(known) = state.memory.find(&hash) {
                if known.holds_at(now) {
                    return Some(known.caller);
                }
                state.memory.forget(&hash);
                return None;
            }
            Arc::clone(&state.keys)
        };
        let verified = self.check(&keys, token)?;
        verified.holds_at(now).then_some(())?;
        let caller = verified.caller.clone();
        self.remember(&keys, hash, verified);
        Some(caller)
    }

    /// Remembers what keys have verified, unless they were replaced meanwhile.
    fn remember(&self, keys: &Arc<Keys>, hash: [u8; 32], verified: Verified) {
        let mut state = self.state();
        if Arc::ptr_eq(keys, &state.keys) {
            state.memory.insert(hash, verified);
        }
    }

    /// How many signatures were checked: remembered tokens spare it.
    pub fn signatures_checked(&self) -> u64 {
        self.signatures_checked.load(Ordering::Relaxed)
    }

    /// What a token says, if a key has signed it and it is for this service.
    fn check(&self, keys: &Keys, token: &str) -> Option<Verified> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header: HeaderIn = part(header)?;
        let Key { algorithm, key, .. } = match &header.kid {
            Some(kid) => keys.0.get(kid)?,
            None => self.secret.as_ref()?,
        };
        if header.alg != *algorithm || !header.is_plain() {
            return None;
        }
        self.signatures_checked.fetch_add(1, Ordering::Relaxed);
        let is_signed =
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, *algorithm);
        is_signed.ok()?.then_some(())?;
        let claims: ClaimsIn = part(claims)?;
        let is_ours = claims.iss == self.parties.issuer && claims.aud.has(&self.parties.audience);
        (is_ours && is_subject(&claims.sub)).then_some(Verified {
            caller: Caller {
                store: StoreId::parse(&claims.store).ok()?,
                role: value(&Role::WORDS, &claims.role)?,
                subject: claims.sub,
            },
            not_before: claims.nbf,
            expires: claims.exp,
        })
    }

    /// The state, after a look at the file if one is due. Who comes meanwhile
    /// waits for it: nobody goes on with keys that have not been looked at.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.file
            && state.looked_at.elapsed() >= self.look_every
        {
            state.look_again(file);
        }
        state
    }
}

impl State {
    /// Reads the file again. It is small: reading it costs as little as asking
    /// when it was changed, and misses no change.
    fn look_again(&mut self, file: &Path) {
        self.looked_at = std::time::Instant::now();
        let content = read(file);
        if content == self.content {
            return;
        }
        let path = file.display();
        match keys_of(&content) {
            Ok(keys) => {
                tracing::info!(%path, keys = keys.0.len(), "keys of tokens have changed");
                self.keys = Arc::new(keys);
                self.memory = Memory::default();
            }
            Err(error) => {
                tracing::error!(%path, %error, "keys of tokens can't be read again; those that are still there stay");
                // What was taken out is trusted no more, whatever else is wrong.
                let kept = content.as_ref().ok().and_then(|set| self.keys.still_there(set));
                if let Some(keys) = kept.filter(|keys| keys.0.len() < self.keys.0.len()) {
                    self.keys = Arc::new(keys);
                    self.memory = Memory::default();
                }
            }
        }
        self.content = content;
    }
}

fn read(file: &Path) -> Result<Vec<u8>, ErrorKind> {
    let mut content = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| error.kind())?;
    let mut limited = opened.take(FILE_SIZE_MAX.saturating_add(1));
    limited.read_to_end(&mut content).map_err(|error| error.kind())?;
    Ok(content)
}

fn keys_of(content: &Result<Vec<u8>, ErrorKind>) -> Result<Keys, InvalidKeys> {
    match content {
        Ok(content) => Keys::parse(content),
        Err(kind) => Err(InvalidKeys(format!("can't be read: {kind}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;
    use jsonwebtoken::jwk::Jwk;

    const NOW: i64 = 1_800_000_000;
    // What stands before the 32 bytes of a private key in PKCS #8.
    const ED25519: [u8; 16] = *b"\x30\x2e\x02\x01\0\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    const P256: [u8; 35] = *b"\x30\x41\x02\x01\0\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x04\x27\x30\x25\x02\x01\x01\x04\x20";

    fn at(seconds: i64) -> Instant {
        chrono::Utc.timestamp_opt(seconds, 0).unwrap()
    }

    fn ed(seed: u8) -> EncodingKey {
        EncodingKey::from_ed_der(&[ED25519.as_slice(), &[seed; 32]].concat())
    }

    fn ec(seed: u8) -> EncodingKey {
        EncodingKey::from_ec_der(&[P256.as_slice(), &[seed; 32]].concat())
    }

    fn jwk(kid: &str, key: &EncodingKey, algorithm: Algorithm) -> Value {
        let mut jwk =
            serde_json::to_value(Jwk::from_encoding_key(key, algorithm).unwrap()).unwrap();
        jwk["kid"] = json!(kid);
        jwk
    }

    fn ed_jwk(kid: &str, seed: u8) -> Value {
        jwk(kid, &ed(seed), Algorithm::EdDSA)
    }

    fn rsa_jwk(n: &[u8], e: &[u8]) -> Value {
        let number = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kid": "one", "kty": "RSA", "n": number(n), "e": number(e)})
    }

    fn token(kid: Option<&str>, key: &EncodingKey, algorithm: Algorithm, changes: Value) -> String {
        let mut header = Header::new(algorithm);
        header.kid = kid.map(str::to_owned);
        let mut claims = json!({
            "iss": "accolade", "aud": "accolade", "sub": "ann", "store": "shop",
            "role": "support", "exp": NOW + 60,
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        jsonwebtoken::encode(&header, &claims, key).unwrap()
    }

    fn ed_token(kid: &str, seed: u8) -> String {
        token(Some(kid), &ed(seed), Algorithm::EdDSA, json!({}))
    }

    struct File {
        folder: tempfile::TempDir,
    }

    impl File {
        fn new(keys: &[Value]) -> Self {
            let file = Self { folder: tempfile::tempdir().unwrap() };
            file.set(keys);
            file
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("keys.json")
        }

        fn set(&self, keys: &[Value]) {
            self.write(&json!({"keys": keys}).to_string());
        }

        fn write(&self, content: &str) {
            std::fs::write(self.path(), content).unwrap();
        }

        /// One that looks at the file each time that it is asked.
        fn verifier(&self) -> Verifier {
            let trust = Trust {
                parties: Parties::default(),
                secret: Secret::new(vec![7; 32]),
                jwks_file: Some(self.path()),
            };
            Verifier { look_every: Duration::ZERO, ..Verifier::new(&trust).unwrap() }
        }
    }

    fn with_secret() -> (Verifier, EncodingKey) {
        let secret = Secret::new(vec![7; 32]);
        let trust = Trust { parties: Parties::default(), secret, jwks_file: None };
        (Verifier::new(&trust).unwrap(), EncodingKey::from_secret(&[7; 32]))
    }

    fn is_good(verifier: &Verifier, token: &str) -> bool {
        verifier.verify(token, at(NOW)).is_some()
    }

    fn remembered(verifier: &Verifier) -> usize {
        let memory = &verifier.state().memory;
        memory.younger.len() + memory.older.len()
    }

    #[test]
    fn a_token_names_its_bearer_from_its_beginning_to_its_end() {
        let (verifier, key) = with_secret();
        let span = json!({"nbf": NOW, "exp": NOW + 60});
        let token = token(None, &key, Algorithm::HS256, span);
        // Once as it comes, and once as it is remembered.
        for _ in 0..2 {
            assert!(verifier.verify(&token, at(NOW - 1)).is_none());
            let caller = verifier.verify(&token, at(NOW)).unwrap();
            assert_eq!((caller.store.as_str(), caller.role), ("shop", Role::Support));
            assert_eq!(caller.subject, "ann");
            assert!(verifier.verify(&token, at(NOW + 59)).is_some());
            assert!(verifier.verify(&token, at(NOW + 60)).is_none());
        }
        assert_eq!(remembered(&verifier), 0);
    }

    #[test]
    fn an_issued_token_is_taken() {
        let (verifier, _) = with_secret();
        let store = StoreId::parse("shop").unwrap();
        let caller = Caller { store, subject: "ann".to_owned(), role: Role::Manager };
        let secret = Secret::new(vec![7; 32]).unwrap();
        let hour = chrono::Duration::hours(1);
        let of = |issuer: &str| {
            let parties = Parties { issuer: issuer.to_owned(), ..Parties::default() };
            issue(&secret, &parties, &caller, at(NOW), hour).unwrap()
        };
        assert_eq!(verifier.verify(&of("accolade"), at(NOW)).unwrap().role, Role::Manager);
        assert!(verifier.verify(&of("another"), at(NOW)).is_none());
    }

    #[test]
    fn a_short_secret_is_none_and_a_secret_does_not_print() {
        assert!(Secret::new(vec![7; 31]).is_none());
        assert_eq!(format!("{:?}", Secret::new(vec![7; 32]).unwrap()), "Secret(…)");
    }

    #[test]
    fn each_key_verifies_its_own_tokens_by_its_own_algorithm() {
        let (one, two) = (ed_jwk("one", 1), jwk("two", &ec(2), Algorithm::ES256));
        let verifier = File::new(&[one, two]).verifier();
        let of = |kid, key: &EncodingKey, algorithm| token(kid, key, algorithm, json!({}));
        let secret = EncodingKey::from_secret(&[7; 32]);
        assert!(is_good(&verifier, &of(Some("one"), &ed(1), Algorithm::EdDSA)));
        assert!(is_good(&verifier, &of(Some("two"), &ec(2), Algorithm::ES256)));
        assert!(is_good(&verifier, &of(None, &secret, Algorithm::HS256)));
        for other in [
            of(Some("two"), &ed(1), Algorithm::EdDSA),
            of(Some("one"), &ec(2), Algorithm::ES256),
            of(None, &ed(1), Algorithm::EdDSA),
            of(Some("one"), &secret, Algorithm::HS256),
            of(Some("three"), &ed(1), Algorithm::EdDSA),
            of(Some("one"), &ed(2), Algorithm::EdDSA),
            of(None, &secret, Algorithm::HS512),
        ] {
            assert!(!is_good(&verifier, &other), "{other}");
        }
    }

    #[test]
    fn a_remembered_token_is_not_verified_again() {
        let verifier = File::new(&[ed_jwk("one", 1)]).verifier();
        let good = ed_token("one", 1);
        for _ in 0..5 {
            assert!(is_good(&verifier, &good));
        }
        assert_eq!(verifier.signatures_checked(), 1);
        // What was refused is not remembered.
        let forged = ed_token("one", 2);
        for _ in 0..5 {
            assert!(!is_good(&verifier, &forged));
        }
        assert_eq!((verifier.signatures_checked(), remembered(&verifier)), (6, 1));
        // Nor is one that differs in its signature alone taken for it.
        let (content, _) = good.rsplit_once('.').unwrap();
        assert!(!is_good(&verifier, &format!("{content}.")));
    }

    #[test]
    fn the_memory_has_a_limit_and_keeps_what_is_used() {
        let verified = Verified {
            caller: Caller {
                store: StoreId::parse("shop").unwrap(),
                subject: "ann".to_owned(),
                role: Role::Support,
            },
            not_before: None,
            expires: NOW,
        };
        let mut memory = Memory::default();
        let hash = |number: usize| -> [u8; 32] { Sha256::digest(number.to_be_bytes()).into() };
        for number in 0..30_000 {
            memory.insert(hash(number), verified.clone());
            assert!(memory.find(&hash(0)).is_some(), "forgotten after {number}");
            assert!(memory.younger.len() + memory.older.len() <= 2 * GENERATION_SIZE_MAX);
        }
        assert!(memory.find(&hash(29_999)).is_some());
        assert!(memory.find(&hash(1)).is_none());
        memory.forget(&hash(0));
        assert!(memory.find(&hash(0)).is_none());
    }

    #[test]
    fn keys_rotate_with_overlap_and_a_removed_key_ends_its_tokens() {
        let file = File::new(&[ed_jwk("old", 1)]);
        let verifier = file.verifier();
        let (old, new) = (ed_token("old", 1), ed_token("new", 2));
        assert_eq!((is_good(&verifier, &old), is_good(&verifier, &new)), (true, false));
        file.set(&[ed_jwk("old", 1), ed_jwk("new", 2)]);
        assert_eq!((is_good(&verifier, &old), is_good(&verifier, &new)), (true, true));
        file.set(&[ed_jwk("new", 2)]);
        assert_eq!((is_good(&verifier, &old), is_good(&verifier, &new)), (false, true));
        // Another key under the same name, in a file of the same length.
        file.set(&[ed_jwk("new", 3)]);
        assert!(!is_good(&verifier, &new));
        assert!(is_good(&verifier, &ed_token("new", 3)));
        file.set(&[]);
        assert!(!is_good(&verifier, &ed_token("new", 3)));
    }

    #[test]
    fn a_file_that_has_gone_bad_leaves_the_keys_as_they_are() {
        let file = File::new(&[ed_jwk("one", 1)]);
        let verifier = file.verifier();
        let (one, two) = (ed_token("one", 1), ed_token("two", 2));
        assert!(is_good(&verifier, &one));
        let private = json!({"kid": "two", "kty": "OKP", "d": "AA"});
        let set = |keys: Value| json!({"keys": keys}).to_string();
        let (besides, instead) = (set(json!([ed_jwk("one", 1), private])), set(json!([private])));
        let replaced = set(json!([ed_jwk("one", 3), private]));
        let whole = json!({"keys": [ed_jwk("two", 2)]}).to_string();
        for bad in ["", "nonsense", &whole[..whole.len() - 1], &besides] {
            file.write(bad);
            assert!(is_good(&verifier, &one), "{bad}");
        }
        // Nothing was forgotten either.
        assert_eq!(verifier.signatures_checked(), 1);
        std::fs::remove_file(file.path()).unwrap();
        assert!(is_good(&verifier, &one));
        // But a key that was taken out, or replaced under its name, is.
        for bad in [&instead, &replaced] {
            file.set(&[ed_jwk("one", 1)]);
            assert!(is_good(&verifier, &one));
            file.write(bad);
            assert!(!is_good(&verifier, &one), "{bad}");
            assert!(!is_good(&verifier, &ed_token("one", 3)), "{bad}");
        }
        file.write(&whole);
        assert_eq!((is_good(&verifier, &one), is_good(&verifier, &two)), (false, true));
    }

    #[test]
    fn keys_are_used_for_a_while_before_the_file_is_looked_at_again() {
        let file = File::new(&[ed_jwk("one", 1)]);
        let verifier = Verifier { look_every: Duration::from_secs(3_600), ..file.verifier() };
        file.set(&[]);
        assert!(is_good(&verifier, &ed_token("one", 1)));
    }

    #[test]
    fn what_replaced_keys_have_verified_is_not_remembered() {
        let file = File::new(&[ed_jwk("one", 1)]);
        let verifier = file.verifier();
        let keys = Arc::clone(&verifier.state().keys);
        let verified = verifier.check(&keys, &ed_token("one", 1)).unwrap();
        verifier.remember(&keys, [1; 32], verified.clone());
        assert_eq!(remembered(&verifier), 1);
        file.set(&[]);
        verifier.remember(&keys, [1; 32], verified);
        assert_eq!(remembered(&verifier), 0);
    }

    #[test]
    fn a_key_that_cannot_be_used_is_named_with_the_reason() {
        let changed = |changes: Value| {
            let mut key = ed_jwk("one", 1);
            key.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            key
        };
        let (long, short) = ([0xff; 256], [0xff; 255]);
        let mut of_2047_bits = [0xff; 256];
        of_2047_bits[0] = 0x7f;
        let mut even = long;
        even[255] = 0xfe;
        let other_curve = json!({"kid": "one", "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"});
        let mut off_curve = jwk("one", &ec(2), Algorithm::ES256);
        off_curve["y"] = off_curve["x"].clone();
        let bad = [
            (json!({"kid": "one", "kty": "oct", "k": "c2VjcmV0"}), "symmetric"),
            (changed(json!({"d": "AA"})), "private"),
            (changed(json!({"k": "AA"})), "private"),
            (changed(json!({"use": "enc", "d": "AA"})), "private"),
            (changed(json!({"use": "tls"})), "use must be"),
            (changed(json!({"use": null})), "use must be"),
            (changed(json!({"key_ops": ["sign", "verify"]})), "key_ops must be"),
            (changed(json!({"key_ops": ["encrypt"]})), "key_ops must be"),
            (changed(json!({"alg": "RS256"})), "alg"),
            (changed(json!({"alg": "HS256"})), "alg"),
            (changed(json!({"alg": "none"})), "alg"),
            (changed(json!({"crv": "X25519"})), "neither"),
            (changed(json!({"crv": "Ed448"})), "neither"),
            (changed(json!({"kty": "EC"})), "neither"),
            (changed(json!({"kty": null})), "neither"),
            (changed(json!({"x": "AAAA"})), "32 bytes"),
            (changed(json!({"x": null})), "32 bytes"),
            (changed(json!({"x": "@"})), "32 bytes"),
            // A y of 2, which no point has.
            (changed(json!({"x": URL_SAFE_NO_PAD.encode([&[2][..], &[0; 31]].concat())})), "curve"),
            (other_curve, "neither"),
            (off_curve, "curve"),
            (rsa_jwk(&short, &[1, 0, 1]), "2048"),
            (rsa_jwk(&of_2047_bits, &[1, 0, 1]), "2048"),
            (rsa_jwk(&[&[0], &short[..]].concat(), &[1, 0, 1]), "2048"),
            (rsa_jwk(&[0xff; 513], &[1, 0, 1]), "4096"),
            (rsa_jwk(&even, &[1, 0, 1]), "2048"),
            (rsa_jwk(&long, &[1]), "exponent"),
            (rsa_jwk(&long, &[1, 0, 0]), "exponent"),
            (rsa_jwk(&long, &[]), "exponent"),
            (rsa_jwk(&long, &[0xff; 5]), "exponent"),
        ];
        for (key, reason) in bad {
            let set = json!({"keys": [ed_jwk("zero", 0), key]}).to_string();
            let fault = Keys::parse(set.as_bytes()).err().unwrap().to_string();
            assert!(fault.contains(r#"kid "one""#) && fault.contains(reason), "{key}: {fault}");
        }
    }

    #[test]
    fn keys_that_say_more_or_less_of_themselves_are_taken() {
        let mut bare = ed_jwk("bare", 1);
        bare.as_object_mut().unwrap().remove("alg");
        let mut full = jwk("full", &ec(2), Algorithm::ES256);
        let more = json!({"alg": "ES256", "use": "sig", "key_ops": ["verify"], "x5t": "AA", "owner": "us"});
        full.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let rsa = rsa_jwk(&[&[0], &[0xff; 256][..]].concat(), &[1, 0, 1]);
        // One for encryption is passed over.
        let other = json!({"kid": "other", "kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB"});
        let set = json!({"keys": [bare, full, other, rsa], "more": 1}).to_string();
        let keys = Keys::parse(set.as_bytes()).unwrap();
        assert!(keys.0.len() == 3 && !keys.0.contains_key("other"));
        assert_eq!(Keys::parse(br#"{"keys": []}"#).unwrap().0.len(), 0);
    }

    #[test]
    fn a_set_that_cannot_be_used_says_why_and_shows_nothing_of_itself() {
        let mut nameless = ed_jwk("", 1);
        let empty = json!({"keys": [nameless]}).to_string();
        nameless["kid"] = json!(7);
        let number = json!({"keys": [ed_jwk("one", 1), nameless]}).to_string();
        let twice = json!({"keys": [ed_jwk("one", 1), ed_jwk("one", 2)]}).to_string();
        let large = format!(r#"{{"keys": []{}}}"#, " ".repeat(256 * 1024));
        for (content, reason) in [
            ("", "is no JSON Web Key Set (line 1, column 0)"),
            (r#"{"keys": "hidden"}"#, "is no JSON Web Key Set (line 1, column 17)"),
            (r#"{"keys": ["hidden"]}"#, "is no JSON Web Key Set (line 1, column 18)"),
            ("{}", "is no JSON Web Key Set (line 1, column 2)"),
            (&empty, "key number 1 has no kid"),
            (&number, "key number 2 has no kid"),
            (&twice, r#"two keys have the kid "one""#),
            (&large, "is larger than 262144 bytes"),
        ] {
            assert_eq!(Keys::parse(content.as_bytes()).err().unwrap().to_string(), reason);
        }
    }

    #[test]
    fn a_file_that_is_missing_stops_the_start() {
        let file = File::new(&[]);
        std::fs::remove_file(file.path()).unwrap();
        let jwks_file = Some(file.path());
        let trust = Trust { parties: Parties::default(), secret: None, jwks_file };
        let fault = Verifier::new(&trust).err().unwrap();
        assert!(fault.to_string().starts_with("can't be read"), "{fault}");
    }

    #[test]
    fn a_subject_has_a_length_and_no_control_characters() {
        for good in ["a", "ann@example.com", "Zoë", &"x".repeat(255)] {
            assert!(is_subject(good), "{good}");
        }
        for bad in ["", "a\0b", "a\nb", "\u{7f}", &"x".repeat(256)] {
            assert!(!is_subject(bad), "{bad:?}");
        }
    }
}
