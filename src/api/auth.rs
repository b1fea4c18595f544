//! Who calls, and what they may do (design, section 5).

use super::problem::{ApiError, Code};
use crate::db::audit::Actor;
use crate::domain::Instant;
use crate::domain::id::StoreId;
use crate::domain::words::{value, word};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use chrono::Duration;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::future::{Ready, ready};
use std::marker::PhantomData;

/// The shortest secret, in bytes (RFC 7518, section 3.2).
pub const SECRET_LENGTH_MIN: usize = 32;
/// Who issues tokens, and whom they are for.
const ISSUER: &str = "accolade";

/// What a token's bearer is to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The shop's backend: writes customers and facts.
    Storefront,
    /// The support desk: reads, and records activities.
    Support,
    /// Runs the VIP list.
    Manager,
    /// Sets the program.
    Administrator,
    /// Sets the rules of qualification.
    PlatformAdmin,
}

impl Role {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("storefront", Self::Storefront),
        ("support", Self::Support),
        ("manager", Self::Manager),
        ("administrator", Self::Administrator),
        ("platform_admin", Self::PlatformAdmin),
    ];
}

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    store: String,
    role: String,
    #[serde(default)]
    iat: i64,
    exp: i64,
}

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

/// A token for a subject, in a role, of a store.
///
/// # Errors
/// [`jsonwebtoken::errors::Error`] where it can't be signed.
pub fn issue(
    secret: &Secret,
    store: &StoreId,
    role: Role,
    subject: &str,
    now: Instant,
    ttl: Duration,
) -> Result<String, jsonwebtoken::errors::Error> {
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: ISSUER.to_owned(),
        sub: subject.to_owned(),
        store: store.to_string(),
        role: word(&Role::WORDS, &role).to_owned(),
        iat: now.timestamp(),
        exp: now.timestamp().saturating_add(ttl.num_seconds()),
    };
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(&secret.0))
}

/// Verifies tokens.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    /// Verifies tokens that were signed with a secret, and with no other algorithm than HS256.
    pub fn new(secret: &Secret) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 0;
        Self { key: DecodingKey::from_secret(&secret.0), validation }
    }

    fn verify(&self, token: &str) -> Option<Caller> {
        let claims =
            jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation).ok()?.claims;
        Some(Caller {
            store: StoreId::parse(&claims.store).ok()?,
            role: value(&Role::WORDS, &claims.role)?,
            subject: claims.sub,
        })
    }
}

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The store that the token names; nothing of another is ever seen.
    pub store: StoreId,
    /// The token's subject.
    pub subject: String,
    /// The token's role.
    pub role: Role,
}

impl Caller {
    /// The caller as the audit log names them.
    pub fn actor(&self) -> Actor {
        Actor { subject: self.subject.clone(), role: word(&Role::WORDS, &self.role) }
    }
}

/// Something that roles may do.
pub trait Permission {
    /// The roles that may.
    const ROLES: &'static [Role];
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident: $($role:ident)+;)*) => {$(
        $(#[$doc])*
        pub struct $name;

        impl Permission for $name {
            const ROLES: &'static [Role] = &[$(Role::$role),+];
        }
    )*};
}

permissions! {
    /// Writes customers, orders and refunds.
    WriteFacts: Storefront;
    /// Records activities.
    WriteActivities: Storefront Support Manager Administrator PlatformAdmin;
    /// Reads one thing that the storefront writes, and the program and its tiers.
    ReadOne: Storefront Support Manager Administrator PlatformAdmin;
    /// Reads lists of customers and facts.
    ReadLists: Support Manager Administrator PlatformAdmin;
    /// Erases a customer.
    EraseCustomers: Storefront Administrator PlatformAdmin;
    /// Spends store credit and points.
    RedeemCredit: Storefront Manager Administrator PlatformAdmin;
    /// Gives, takes and ends store credit and points by hand.
    AdjustCredit: Manager Administrator PlatformAdmin;
    /// Reads badges, and what staff set by hand.
    ReadBadges: Support Manager Administrator PlatformAdmin;
    /// Sets flags and links.
    WriteFlags: Support Manager Administrator PlatformAdmin;
    /// Runs the VIP list.
    ManageDesignations: Manager Administrator PlatformAdmin;
    /// Reads the audit log and the events.
    ReadAudit: Manager Administrator PlatformAdmin;
    /// Reads reports.
    ReadReports: Manager Administrator PlatformAdmin;
    /// Sets what rules do by themselves.
    WriteRules: PlatformAdmin;
    /// Recalculates one customer.
    RecalculateOne: Manager Administrator PlatformAdmin;
    /// Changes the program and its tiers.
    WriteProgram: Administrator PlatformAdmin;
}

impl Caller {
    /// Whether the caller may do something, for what depends on the request.
    pub fn may<P: Permission>(&self) -> bool {
        P::ROLES.contains(&self.role)
    }
}

/// A caller who may do something. Take it first: what a caller may not do is
/// decided from the token alone, before anything else is looked at.
pub struct Allowed<P> {
    /// Who calls.
    pub caller: Caller,
    permission: PhantomData<P>,
}

impl<P: Permission> FromRequest for Allowed<P> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = bearer(request)
            .zip(request.app_data::<web::Data<Verifier>>())
            .and_then(|(token, verifier)| verifier.verify(token));
        ready(match caller {
            None => Err(ApiError::new(Code::Unauthorized)),
            Some(caller) if P::ROLES.contains(&caller.role) => {
                Ok(Self { caller, permission: PhantomData })
            }
            Some(_) => Err(ApiError::new(Code::Forbidden)),
        })
    }
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let (scheme, token) =
        request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;

    fn token(secret: &[u8], ttl: Duration) -> String {
        let store = StoreId::parse("shop").unwrap();
        let secret = Secret::new(secret.to_vec()).unwrap();
        issue(&secret, &store, Role::Support, "ann", Utc::now(), ttl).unwrap()
    }

    #[test]
    fn a_token_names_its_bearer_until_it_expires() {
        let verifier = Verifier::new(&Secret::new(vec![7; 32]).unwrap());
        let caller = verifier.verify(&token(&[7; 32], Duration::hours(1))).unwrap();
        assert_eq!((caller.store.as_str(), caller.role), ("shop", Role::Support));
        assert!(verifier.verify(&token(&[7; 32], Duration::seconds(-1))).is_none());
        assert!(verifier.verify(&token(&[8; 32], Duration::hours(1))).is_none());
        assert!(verifier.verify("").is_none());
    }

    #[test]
    fn a_short_secret_is_none_and_a_secret_does_not_print() {
        assert!(Secret::new(vec![7; 31]).is_none());
        assert_eq!(format!("{:?}", Secret::new(vec![7; 32]).unwrap()), "Secret(…)");
    }
}
