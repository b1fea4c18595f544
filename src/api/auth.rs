//! Who calls, and what they may do (design, section 5).

use super::instance::Instance;
use super::problem::{ApiError, ApiResult, Code};
use super::tokens::Verifier;
use super::wire::now;
use crate::db::audit::Actor;
use crate::domain::id::StoreId;
use crate::domain::words::word;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use std::future::{Ready, ready};
use std::marker::PhantomData;

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
        ready(caller(request).and_then(|caller| {
            if P::ROLES.contains(&caller.role) {
                Ok(Self { caller, permission: PhantomData })
            } else {
                Err(ApiError::new(Code::Forbidden))
            }
        }))
    }
}

/// Noted of a request that came with a valid token.
pub struct HasToken;

/// Who calls, if the token is good and not too many requests came with it. How
/// many are left is noted for the answer's envelope.
fn caller(request: &HttpRequest) -> ApiResult<Caller> {
    let caller = bearer(request)
        .zip(request.app_data::<web::Data<Verifier>>())
        .and_then(|(token, verifier)| verifier.verify(token, now()))
        .ok_or_else(|| ApiError::new(Code::Unauthorized))?;
    request.extensions_mut().insert(HasToken);
    let instance = request.app_data::<web::Data<Instance>>();
    if let Some(limit) = instance.and_then(|instance| instance.rate_limit.as_ref()) {
        let allowance = limit.take(&caller);
        request.extensions_mut().insert(allowance);
        if allowance.is_exceeded() {
            return Err(ApiError::new(Code::RateLimited));
        }
    }
    Ok(caller)
}

/// The token of the one `Authorization` header: of two it would be unclear
/// which one counts.
fn bearer(request: &HttpRequest) -> Option<&str> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let (Some(header), None) = (headers.next(), headers.next()) else { return None };
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
