//! Activities: what customers do besides ordering.

use super::auth::{Allowed, Caller, ReadLists, ReadOne, WriteActivities};
use super::extract::{Id, IfMatchHeader, Json, NoQuery, Query, etag, rule};
use super::orders::put_status;
use super::problem::{ANY_TOKEN, ApiError, ApiResult, BODY, Code, Fault, TOKEN, problems};
use super::read_of_store;
use super::rewards::{BalancesOut, EarnedOut};
use super::wire::{self, At, MembershipChangeOut, MembershipOut, PageQuery, words};
use crate::db::activities::{self, ActivityRow};
use crate::db::page::Seek;
use crate::db::{Db, customers, maybe_instant};
use crate::domain::activity::{Happening, Kind};
use crate::domain::fact::Worth;
use crate::domain::id::{ActivityId, CustomerId, WayCode};
use crate::domain::words::word;
use crate::workflow::Refusal;
use crate::workflow::facts::{self, Activity};
use actix_web::{HttpResponse, get, put, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

/// An activity as the shop states it. The fields from `points` on go with
/// their kinds.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "activity_rules"))]
pub struct ActivityIn {
    /// Whose activity it is; never changes. A customer seen for the first time is created.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$", examples("c1"))]
    pub customer_id: String,
    /// What kind of activity it is; never changes.
    pub kind: ActivityKind,
    /// When it happened.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub occurred_at: At,
    /// The shop's own time of this version: one that is older than what is
    /// stored changes nothing. Without it, the last to arrive stands.
    #[serde(default)]
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub updated_at: Option<At>,
    /// How many points were earned: goes with `points`, which has either this
    /// or `way_to_earn`.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000_000_i64, examples(50))]
    pub points: Option<i64>,
    /// The way to earn by event that says how many points there are, by the
    /// tier that the customer held before; never changes. Goes with `points`.
    #[serde(default)]
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$", examples("review"))]
    pub way_to_earn: Option<String>,
    /// Whom the customer brought in, who is another one and need not be known
    /// yet: given with `referral`, and only then. A customer is referred once:
    /// of several referrals the earliest counts.
    #[serde(default)]
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$", examples("c2"))]
    pub referred_customer_id: Option<String>,
    /// From 1, the worst, to 5, the best: given with `survey`, and only then.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 5, examples(5))]
    pub score: Option<u8>,
    /// Where the complaint was made, or by what means staff and customer were
    /// in touch: given with `complaint` and `contact`, and only then.
    #[serde(default)]
    #[schema(
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("email")
    )]
    pub channel: Option<String>,
    /// Whether others could see the complaint: goes with `complaint`; false by default.
    #[serde(default)]
    #[schema(examples(true))]
    pub public: Option<bool>,
    /// When the complaint was resolved, not before it was made: goes with
    /// `complaint`, which is open until then.
    #[serde(default)]
    #[schema(examples("2024-06-02T09:00:00Z"))]
    pub resolved_at: Option<At>,
    /// Who of the staff was in touch: goes with `contact`.
    #[serde(default)]
    #[schema(
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("sam")
    )]
    pub agent: Option<String>,
    /// What was said: goes with `contact`.
    #[serde(default)]
    #[schema(
        max_length = 2000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
        examples("Wants a smaller box.")
    )]
    pub note: Option<String>,
    /// When to be in touch again: goes with `contact`.
    #[serde(default)]
    #[schema(examples("2024-06-08"))]
    pub follow_up_on: Option<NaiveDate>,
}

words! {
    /// A kind of activity.
    ActivityKind as ActivityKind => Kind {
        /// Points earned by something other than an order.
        Points,
        /// Another customer was brought in.
        Referral,
        /// A survey was answered.
        Survey,
        /// The customer complained.
        Complaint,
        /// Staff and customer were in touch.
        Contact,
    }
}

fn activity_rules(activity: &ActivityIn) -> Result<(), ValidationError> {
    let kind = activity.kind;
    let is = |kinds: &[ActivityKind]| kinds.contains(&kind);
    use ActivityKind::{Complaint, Contact, Points, Referral, Survey};
    let (is_complaint, is_contact) = (is(&[Complaint]), is(&[Contact]));
    let has_way = activity.way_to_earn.is_some();
    // Each field: whether it is given, has to be, and can be.
    let fields = [
        ("points", activity.points.is_some(), is(&[Points]) && !has_way, is(&[Points])),
        ("way_to_earn", has_way, false, is(&[Points])),
        (
            "referred_customer_id",
            activity.referred_customer_id.is_some(),
            is(&[Referral]),
            is(&[Referral]),
        ),
        ("score", activity.score.is_some(), is(&[Survey]), is(&[Survey])),
        (
            "channel",
            activity.channel.is_some(),
            is_complaint || is_contact,
            is_complaint || is_contact,
        ),
        ("public", activity.public.is_some(), false, is_complaint),
        ("resolved_at", activity.resolved_at.is_some(), false, is_complaint),
        ("agent", activity.agent.is_some(), false, is_contact),
        ("note", activity.note.is_some(), false, is_contact),
        ("follow_up_on", activity.follow_up_on.is_some(), false, is_contact),
    ];
    let word = word(&Kind::WORDS, &kind.into());
    let mut faults: Vec<(String, String)> = Vec::new();
    for (name, is_given, is_needed, is_possible) in fields {
        if is_needed && !is_given {
            faults.push((format!("/{name}"), format!("is required for the kind {word}")));
        }
        if is_given && !is_possible {
            faults.push((format!("/{name}"), format!("does not go with the kind {word}")));
        }
    }
    if has_way && activity.points.is_some() {
        let detail = "does not go with points: the way says how many there are";
        faults.push(("/way_to_earn".into(), detail.into()));
    }
    if activity.referred_customer_id.as_ref() == Some(&activity.customer_id) {
        let detail = "must be another customer than customer_id";
        faults.push(("/referred_customer_id".into(), detail.into()));
    }
    if activity.resolved_at.is_some_and(|at| at.0 < activity.occurred_at.0) {
        faults.push(("/resolved_at".into(), "must not be before occurred_at".into()));
    }
    let Some((first, _)) = faults.first() else { return Ok(()) };
    let mut error = rule(first, "does not go with the kind");
    error.add_param("faults".into(), &faults);
    Err(error)
}

impl ActivityIn {
    /// The activity, under its identifier.
    ///
    /// # Errors
    /// `invalid_request` where a text means nothing.
    pub fn into_activity(self, id: ActivityId) -> ApiResult<Activity> {
        let customer = |field: &str, text: &str| {
            CustomerId::parse(text).map_err(|error| {
                ApiError::invalid(vec![Fault::new(format!("/{field}"), error.to_string())])
            })
        };
        let channel = self.channel.unwrap_or_default();
        let happening = match self.kind {
            ActivityKind::Points => Happening::Points {
                worth: match &self.way_to_earn {
                    Some(way) => Worth::Event(WayCode::parse(way).map_err(|error| {
                        ApiError::invalid(vec![Fault::new("/way_to_earn", error.to_string())])
                    })?),
                    None => Worth::Points(self.points.unwrap_or_default()),
                },
            },
            ActivityKind::Referral => {
                let referred = self.referred_customer_id.unwrap_or_default();
                Happening::Referral { referred: customer("referred_customer_id", &referred)? }
            }
            ActivityKind::Survey => Happening::Survey { score: self.score.unwrap_or_default() },
            ActivityKind::Complaint => Happening::Complaint {
                channel,
                is_public: self.public.unwrap_or(false),
                resolved_at: self.resolved_at.map(|at| at.0),
            },
            ActivityKind::Contact => Happening::Contact {
                channel,
                agent: self.agent,
                note: self.note,
                follow_up_on: self.follow_up_on,
            },
        };
        Ok(Activity {
            id,
            customer: customer("customer_id", &self.customer_id)?,
            happening,
            occurred_at: self.occurred_at.0,
            updated_at: self.updated_at.map(|at| at.0),
        })
    }
}

/// An activity as it is stored; what does not go with its kind is null.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ActivityOut {
    /// The activity's identifier.
    #[schema(examples("a1"))]
    pub activity_id: String,
    /// Whose activity it is.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// What kind of activity it is: `points`, `referral`, `survey`, `complaint` or `contact`.
    #[schema(examples("points"))]
    pub kind: String,
    /// How many points were earned, where the shop says so.
    #[schema(required, examples(50))]
    pub points: Option<i64>,
    /// The way to earn that says how many points the event gives, by the tier held then.
    #[schema(required, examples("review"))]
    pub way_to_earn: Option<String>,
    /// Whom the customer brought in.
    #[schema(required, examples("c2"))]
    pub referred_customer_id: Option<String>,
    /// The survey's score, from 1 to 5.
    #[schema(required, examples(5))]
    pub score: Option<i32>,
    /// Where the complaint was made, or by what means staff and customer were in touch.
    #[schema(required, examples("email"))]
    pub channel: Option<String>,
    /// Whether others could see the complaint.
    #[schema(required, examples(true))]
    pub public: Option<bool>,
    /// When the complaint was resolved; null while it is open.
    #[schema(required, examples("2024-06-02T09:00:00Z"))]
    pub resolved_at: Option<At>,
    /// Who of the staff was in touch; not shown to `storefront`.
    #[schema(required, examples("sam"))]
    pub agent: Option<String>,
    /// What was said; not shown to `storefront`.
    #[schema(required, examples("Wants a smaller box."))]
    pub note: Option<String>,
    /// When to be in touch again.
    #[schema(required, examples("2024-06-08"))]
    pub follow_up_on: Option<NaiveDate>,
    /// When it happened.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub occurred_at: At,
    /// The shop's own time of this version.
    #[schema(required, examples("2024-06-01T10:00:00Z"))]
    pub updated_at: Option<At>,
}

impl ActivityOut {
    /// An activity on the wire, for who may read what staff wrote, or not.
    fn new(row: &ActivityRow, caller: &Caller) -> ApiResult<Self> {
        let is_staff = caller.may::<ReadLists>();
        Ok(Self {
            activity_id: row.activity_id.clone(),
            customer_id: row.customer_id.clone(),
            kind: row.kind.clone(),
            points: row.points.filter(|_| row.way_to_earn.is_none()),
            way_to_earn: row.way_to_earn.clone(),
            referred_customer_id: row.referred_id.clone(),
            score: row.score,
            channel: row.channel.clone(),
            public: row.is_public,
            resolved_at: row.resolved_at()?.map(At),
            agent: row.agent.clone().filter(|_| is_staff),
            note: row.note.clone().filter(|_| is_staff),
            follow_up_on: row.follow_up_on()?,
            occurred_at: At(row.at()?),
            updated_at: maybe_instant(row.updated_at)?.map(At),
        })
    }
}

/// An activity that was sent, and where its customer stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivityRecordedOut {
    /// The activity as it is stored now.
    pub activity: ActivityOut,
    /// The customer's membership without and with it.
    pub membership: MembershipChangeOut,
    /// What this moved in the customer's ledger.
    pub earned: EarnedOut,
    /// What the customer has then; of what was spent before it was refunded,
    /// what is owed.
    pub balances: BalancesOut,
}

problems!(PutActivityProblems: ANY_TOKEN, BODY, &[
    Code::StoreNotSetUp, Code::TooFarAhead, Code::ActivityFixed, Code::FigureOverflow,
    Code::PreconditionFailed, Code::CustomerErased, Code::UnknownWayToEarn,
]);

/// Send an activity, or another state of one.
///
/// The first time is 201; the same again is 200 and changes nothing. Another
/// body is a correction: a complaint is resolved by sending it again with
/// `resolved_at`. Only points move the membership and the customer's balance.
/// A `contact` of a customer
/// who was erased is refused; other kinds still count. Roles: all.
#[utoipa::path(
    tag = "Facts",
    operation_id = "put_activity",
    security(("token" = [])),
    params(
        ("activity_id" = String, Path, description = "The activity's identifier, the shop's own.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "a1"),
        ("If-Match" = Option<String>, Header, description = "Change it only if it is still this version (an `ETag`)."),
    ),
    request_body(content = ActivityIn, example = json!({
        "customer_id": "c1", "kind": "points", "points": 50, "occurred_at": "2024-06-01T10:00:00Z",
    })),
    responses(
        (status = 201, description = "The activity is new.", body = ActivityRecordedOut),
        (status = 200, description = "The activity was known; it is as it was sent, unless a newer state was known.", body = ActivityRecordedOut),
        PutActivityProblems,
    ),
)]
#[put("/v1/activities/{activity_id}")]
pub async fn put_activity(
    allowed: Allowed<WriteActivities>,
    id: Id<ActivityId>,
    _: NoQuery,
    if_match: IfMatchHeader,
    body: Json<ActivityIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let caller = allowed.caller;
    let store = caller.store.clone();
    let activity = body.0.into_activity(id.0)?;
    let recorded = db
        .write(move |tx| facts::put_activity(tx, &store, &activity, &if_match.0, wire::now()))
        .await?;
    let currency = recorded.program.program.currency;
    let membership = |m| MembershipOut::new(&recorded.row.customer_id, m, currency);
    let out = ActivityRecordedOut {
        activity: ActivityOut::new(&recorded.row, &caller)?,
        membership: MembershipChangeOut {
            before: membership(&recorded.before),
            after: membership(&recorded.after),
        },
        earned: EarnedOut::new(recorded.earned.moved, currency),
        balances: BalancesOut::new(recorded.earned.balance, currency),
    };
    Ok(HttpResponse::build(put_status(recorded.stored))
        .insert_header(etag(recorded.row.version))
        .json(out))
}

problems!(GetActivityProblems: ANY_TOKEN, &[Code::NotFound, Code::InvalidRequest, Code::StoreNotSetUp]);

/// One activity.
///
/// Roles: all.
#[utoipa::path(
    tag = "Facts",
    operation_id = "get_activity",
    security(("token" = [])),
    params(("activity_id" = String, Path, description = "The activity's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "a1")),
    responses((status = 200, description = "The activity as it is stored.", body = ActivityOut), GetActivityProblems),
)]
#[get("/v1/activities/{activity_id}")]
pub async fn get_activity(
    allowed: Allowed<ReadOne>,
    id: Id<ActivityId>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let caller = allowed.caller;
    let (_, row) = read_of_store(&db, caller.store.clone(), move |tx, store, _| {
        Ok(activities::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("activity"))?)
    })
    .await?;
    Ok(HttpResponse::Ok().insert_header(etag(row.version)).json(ActivityOut::new(&row, &caller)?))
}

/// A page of activities.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivitiesOut {
    /// The activities, newest first.
    pub activities: Vec<ActivityOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(ListCustomerActivitiesProblems: TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// One customer's activities, newest first.
///
/// Roles: `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Facts",
    operation_id = "list_customer_activities",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        PageQuery,
    ),
    responses((status = 200, description = "A page of activities.", body = ActivitiesOut), ListCustomerActivitiesProblems),
)]
#[get("/v1/customers/{customer_id}/activities")]
pub async fn list_customer_activities(
    allowed: Allowed<ReadLists>,
    id: Id<CustomerId>,
    query: Query<PageQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (limit, after) = (query.0.limit(), query.0.after());
    let caller = allowed.caller;
    let (_, rows) = read_of_store(&db, caller.store.clone(), move |tx, store, _| {
        customers::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("customer"))?;
        Ok(activities::list(tx, store, &id.0, after.as_ref(), limit.saturating_add(1))?)
    })
    .await?;
    let (rows, next_cursor) =
        wire::page(rows, limit, |row| Seek::number(row.occurred_at, row.activity_id.clone()));
    let activities =
        rows.iter().map(|row| ActivityOut::new(row, &caller)).collect::<ApiResult<_>>()?;
    Ok(HttpResponse::Ok().json(ActivitiesOut { activities, next_cursor }))
}
