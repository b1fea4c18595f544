//! Customers.

use super::auth::{Allowed, EraseCustomers, ReadOne, WriteFacts};
use super::extract::{Id, IfMatchHeader, Json, NoQuery, Patch, etag, rule};
use super::orders::put_status;
use super::problem::{ANY_TOKEN, ApiError, ApiResult, BODY, Code, TOKEN, problems};
use super::read_of_store;
use super::wire::{self, At};
use crate::db::customers::{self, CustomerRow};
use crate::db::programs::Hold;
use crate::db::{Db, instant, maybe_instant};
use crate::domain::customer::SubscriptionState;
use crate::domain::id::CustomerId;
use crate::domain::money::{Amount, Currency};
use crate::domain::status::Status;
use crate::domain::words::word;
use crate::workflow::customers::{Profile, Subscription};
use crate::workflow::memberships::program_of;
use crate::workflow::{self, Refusal};
use actix_web::{HttpResponse, delete, get, patch, put, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

/// What the shop says of a customer. Every field may be left out or null.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CustomerIn {
    /// The name that staff read.
    #[serde(default)]
    #[schema(
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("Ada Byron")
    )]
    name: Option<String>,
    /// The e-mail address.
    #[serde(default)]
    #[schema(max_length = 254, pattern = r"^[^@\s]+@[^@\s]+$", examples("ada@example.com"))]
    email: Option<String>,
    /// When the customer joined the program. Without it, the earlier of the
    /// customer's creation here and the first completed order or points.
    #[serde(default)]
    #[schema(examples("2024-03-01T09:00:00Z"))]
    joined_at: Option<At>,
    /// The birthday.
    #[serde(default)]
    #[schema(examples("1985-12-10"))]
    birthday: Option<NaiveDate>,
    /// How the customer prefers to be contacted, such as `email` or `phone`.
    #[serde(default)]
    #[schema(
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("email")
    )]
    preferred_channel: Option<String>,
    /// Labels for any purpose, each once.
    #[serde(default)]
    #[validate(custom(function = "tag_rules"))]
    #[schema(max_items = 50, examples(json!(["wholesale"])))]
    tags: Option<Vec<Tag>>,
    /// The subscription, if there is one.
    #[serde(default)]
    #[validate(nested)]
    subscription: Option<SubscriptionIn>,
    /// Whether the VIP icon is printed on this customer's labels; true by default.
    #[serde(default)]
    #[schema(examples(true))]
    print_vip_icon: Option<bool>,
}

/// A label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(max_length = 64, pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$")]
pub struct Tag(String);

/// A subscription as the shop states it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "subscription_rules"))]
pub struct SubscriptionIn {
    /// What it comes to in a month, in the program's currency.
    #[schema(pattern = r"^[0-9]{1,19}(\.[0-9]{1,4})?$", examples("19.90"))]
    monthly_amount: String,
    /// Its state.
    state: SubscriptionStateWire,
    /// When it was cancelled: given with `cancelled`, and only then.
    #[serde(default)]
    #[schema(examples("2024-09-30T00:00:00Z"))]
    cancelled_at: Option<At>,
}

/// A subscription's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SubscriptionState)]
pub enum SubscriptionStateWire {
    /// Running.
    Active,
    /// On hold.
    Paused,
    /// Ended.
    Cancelled,
}

impl From<SubscriptionStateWire> for SubscriptionState {
    fn from(state: SubscriptionStateWire) -> Self {
        match state {
            SubscriptionStateWire::Active => Self::Active,
            SubscriptionStateWire::Paused => Self::Paused,
            SubscriptionStateWire::Cancelled => Self::Cancelled,
        }
    }
}

fn subscription_rules(subscription: &SubscriptionIn) -> Result<(), ValidationError> {
    match (subscription.state, subscription.cancelled_at) {
        (SubscriptionStateWire::Cancelled, None) => {
            Err(rule("/cancelled_at", "is required for a cancelled subscription"))
        }
        (SubscriptionStateWire::Active | SubscriptionStateWire::Paused, Some(_)) => {
            Err(rule("/cancelled_at", "goes with state cancelled only"))
        }
        _ => Ok(()),
    }
}

fn tag_rules(tags: &[Tag]) -> Result<(), ValidationError> {
    let is_repeated = tags.iter().enumerate().any(|(i, tag)| tags.iter().take(i).any(|t| t == tag));
    if is_repeated {
        return Err(ValidationError::new("tags").with_message("must name each tag once".into()));
    }
    Ok(())
}

impl CustomerIn {
    /// The profile that this states.
    pub fn into_profile(self) -> Profile {
        Profile {
            name: self.name,
            email: self.email,
            joined_at: self.joined_at.map(|at| at.0),
            birthday: self.birthday,
            preferred_channel: self.preferred_channel,
            tags: self.tags.unwrap_or_default().into_iter().map(|tag| tag.0).collect(),
            subscription: self.subscription.map(|subscription| Subscription {
                monthly_amount: subscription.monthly_amount,
                state: subscription.state.into(),
                cancelled_at: subscription.cancelled_at.map(|at| at.0),
            }),
            print_vip_icon: self.print_vip_icon.unwrap_or(true),
        }
    }
}

/// A customer as they are stored.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CustomerOut {
    /// The customer's identifier.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The name that staff read.
    #[schema(required, examples("Ada Byron"))]
    pub name: Option<String>,
    /// The e-mail address.
    #[schema(required, examples("ada@example.com"))]
    pub email: Option<String>,
    /// When the customer joined the program, where the shop states it.
    #[schema(required, examples("2024-03-01T09:00:00Z"))]
    pub joined_at: Option<At>,
    /// The birthday.
    #[schema(required, examples("1985-12-10"))]
    pub birthday: Option<NaiveDate>,
    /// How the customer prefers to be contacted.
    #[schema(required, examples("email"))]
    pub preferred_channel: Option<String>,
    /// Labels for any purpose.
    #[schema(examples(json!(["partner"])))]
    pub tags: Vec<String>,
    /// The subscription, if there is one.
    #[schema(required)]
    pub subscription: Option<SubscriptionOut>,
    /// How often a subscription went over to `cancelled`; erasure keeps it.
    #[schema(examples(0))]
    pub cancellations: i64,
    /// Whether the VIP icon is printed on this customer's labels.
    #[schema(examples(true))]
    pub print_vip_icon: bool,
    /// The badge's word: `active`, `vip`, `caution` or `do_not_serve`.
    #[schema(examples("active"))]
    pub status: String,
    /// When the customer became known here.
    #[schema(examples("2024-03-01T09:00:00Z"))]
    pub created_at: At,
    /// When the customer was erased; null for all others.
    #[schema(required)]
    pub erased_at: Option<At>,
}

/// A subscription as it is stored.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SubscriptionOut {
    /// What it comes to in a month.
    #[schema(examples("19.90"))]
    pub monthly_amount: String,
    /// `active`, `paused` or `cancelled`.
    #[schema(examples("active"))]
    pub state: String,
    /// When it was cancelled.
    #[schema(required, examples("2024-09-30T00:00:00Z"))]
    pub cancelled_at: Option<At>,
}

impl CustomerOut {
    /// A stored customer, with amounts in the program's currency.
    ///
    /// # Errors
    /// [`workflow::Error`] where the row makes no sense.
    pub fn new(row: &CustomerRow, currency: Currency) -> workflow::Result<Self> {
        let subscription = match (&row.subscription_state, row.subscription_amount) {
            (Some(state), Some(amount)) => Some(SubscriptionOut {
                monthly_amount: Amount(amount, currency).to_string(),
                state: state.clone(),
                cancelled_at: maybe_instant(row.subscription_cancelled_at)?.map(At),
            }),
            _ => None,
        };
        Ok(Self {
            customer_id: row.customer_id.clone(),
            name: row.name.clone(),
            email: row.email.clone(),
            joined_at: maybe_instant(row.joined_at)?.map(At),
            birthday: row
                .birthday
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(|_| crate::db::Error::Corrupt("a birthday".to_owned()))?,
            preferred_channel: row.preferred_channel.clone(),
            tags: row.tags()?,
            subscription,
            cancellations: row.cancellations,
            print_vip_icon: row.print_vip_icon,
            status: word(&Status::WORDS, &row.status(wire::now())?).to_owned(),
            created_at: At(instant(row.created_at)?),
            erased_at: maybe_instant(row.erased_at)?.map(At),
        })
    }

    /// What a PUT of the same would state: the ground of a PATCH.
    fn to_input(&self) -> serde_json::Value {
        serde_json::json!({
            "name": self.name, "email": self.email, "joined_at": self.joined_at,
            "birthday": self.birthday, "preferred_channel": self.preferred_channel,
            "tags": self.tags, "subscription": self.subscription,
            "print_vip_icon": self.print_vip_icon,
        })
    }
}

problems!(PutCustomerProblems: TOKEN, BODY, &[
    Code::FigureOverflow,
    Code::StoreNotSetUp, Code::CustomerErased, Code::TooFarAhead, Code::AmountNotInCurrency,
    Code::PreconditionFailed,
]);

/// Send a customer, whole.
///
/// What is left out is empty. The first time is 201; the same again is 200
/// and changes nothing. Roles: `storefront`.
#[utoipa::path(
    tag = "Customers",
    operation_id = "put_customer",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier, the shop's own.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        ("If-Match" = Option<String>, Header, description = "Change it only if it is still this version (an `ETag`)."),
    ),
    request_body(content = CustomerIn, example = json!({
        "name": "Ada Byron", "email": "ada@example.com", "joined_at": "2024-03-01T09:00:00Z", "tags": ["wholesale"],
    })),
    responses(
        (status = 201, description = "The customer is new.", body = CustomerOut),
        (status = 200, description = "The customer was known.", body = CustomerOut),
        PutCustomerProblems,
    ),
)]
#[put("/v1/customers/{customer_id}")]
pub async fn put_customer(
    allowed: Allowed<WriteFacts>,
    id: Id<CustomerId>,
    _: NoQuery,
    if_match: IfMatchHeader,
    body: Json<CustomerIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let actor = allowed.caller.actor();
    let store = allowed.caller.store;
    let profile = body.0.into_profile();
    let (stored, row, currency) = db
        .write(move |tx| {
            let currency = program_of(tx, &store, Hold::Share)?.program.currency;
            let (stored, row) = workflow::customers::put(
                tx,
                &store,
                &id.0,
                &profile,
                &if_match.0,
                &actor,
                wire::now(),
            )?;
            Ok::<_, workflow::Error>((stored, row, currency))
        })
        .await?;
    Ok(HttpResponse::build(put_status(stored))
        .insert_header(etag(row.version))
        .json(CustomerOut::new(&row, currency)?))
}

problems!(PatchCustomerProblems: TOKEN, BODY, &[
    Code::FigureOverflow,
    Code::StoreNotSetUp, Code::NotFound, Code::CustomerErased, Code::TooFarAhead,
    Code::AmountNotInCurrency, Code::PreconditionFailed,
]);

/// Change some fields of a customer.
///
/// Each field that is given replaces the whole field; null restores its
/// default. Roles: `storefront`.
#[utoipa::path(
    tag = "Customers",
    operation_id = "patch_customer",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        ("If-Match" = Option<String>, Header, description = "Change it only if it is still this version (an `ETag`)."),
    ),
    request_body(content = CustomerIn, example = json!({"tags": ["wholesale", "press"]})),
    responses((status = 200, description = "The customer as they are now.", body = CustomerOut), PatchCustomerProblems),
)]
#[patch("/v1/customers/{customer_id}")]
pub async fn patch_customer(
    allowed: Allowed<WriteFacts>,
    id: Id<CustomerId>,
    _: NoQuery,
    if_match: IfMatchHeader,
    body: Patch<CustomerIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let actor = allowed.caller.actor();
    let store = allowed.caller.store;
    let (row, currency) = db
        .write(move |tx| {
            let currency = program_of(tx, &store, Hold::Share)?.program.currency;
            let row = workflow::customers::find_for_change(tx, &store, &id.0, &if_match.0)?;
            let profile = body.onto(CustomerOut::new(&row, currency)?.to_input())?.into_profile();
            let (_, row) = workflow::customers::put(
                tx,
                &store,
                &id.0,
                &profile,
                &if_match.0,
                &actor,
                wire::now(),
            )?;
            Ok::<_, ApiError>((row, currency))
        })
        .await?;
    Ok(HttpResponse::Ok().insert_header(etag(row.version)).json(CustomerOut::new(&row, currency)?))
}

problems!(GetCustomerProblems: ANY_TOKEN, &[Code::NotFound, Code::InvalidRequest, Code::StoreNotSetUp]);

/// One customer.
///
/// Of an erased customer everything personal is gone; the anonymous figures
/// stay. Roles: all.
#[utoipa::path(
    tag = "Customers",
    operation_id = "get_customer",
    security(("token" = [])),
    params(("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1")),
    responses((status = 200, description = "The customer as they are stored.", body = CustomerOut), GetCustomerProblems),
)]
#[get("/v1/customers/{customer_id}")]
pub async fn get_customer(
    allowed: Allowed<ReadOne>,
    id: Id<CustomerId>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (record, row) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        Ok(customers::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("customer"))?)
    })
    .await?;
    let currency = record.program.currency;
    Ok(HttpResponse::Ok().insert_header(etag(row.version)).json(CustomerOut::new(&row, currency)?))
}

problems!(DeleteCustomerProblems: TOKEN, &[
    Code::NotFound, Code::InvalidRequest, Code::StoreNotSetUp, Code::CustomerErased,
    Code::PreconditionFailed,
]);

/// Erase a person.
///
/// Name, e-mail, birthday and all other personal text go; the identifier and
/// the anonymous figures stay, and facts still count. Roles: `storefront`,
/// `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Customers",
    operation_id = "delete_customer",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        ("If-Match" = Option<String>, Header, description = "Erase only if it is still this version (an `ETag`)."),
    ),
    responses((status = 204, description = "The person is erased."), DeleteCustomerProblems),
)]
#[delete("/v1/customers/{customer_id}")]
pub async fn delete_customer(
    allowed: Allowed<EraseCustomers>,
    id: Id<CustomerId>,
    _: NoQuery,
    if_match: IfMatchHeader,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let caller = allowed.caller;
    db.write(move |tx| {
        workflow::customers::erase(
            tx,
            &caller.store,
            &id.0,
            &if_match.0,
            &caller.actor(),
            wire::now(),
        )
    })
    .await?;
    // The person is erased; what may still lie in a file is overwritten sooner or later.
    db.empty_log().await;
    Ok(HttpResponse::NoContent().finish())
}
