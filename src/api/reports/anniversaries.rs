//! Whom to congratulate in a month.

use super::{date, effective_tier};
use crate::api::auth::{Allowed, ReadReports};
use crate::api::csv::{Cell, wants_csv};
use crate::api::extract::Query;
use crate::api::listing::{Line, MANY_ROWS, Placed, file, page};
use crate::api::problem::{ApiResult, Code, TOKEN, problems};
use crate::api::wire::{self, At};
use crate::db::page::Seek;
use crate::db::programs::ProgramRecord;
use crate::db::reports::{self, AnniversaryRow};
use crate::db::{self, Db, Tx};
use crate::domain::Instant;
use crate::domain::calendar::local_date;
use crate::domain::id::StoreId;
use crate::domain::report::span::Month;
use crate::workflow;
use crate::workflow::recalculation::{Shows, catch_up};
use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

/// Which month, and which page.
#[derive(Debug, Clone, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AnniversariesQuery {
    /// The month; by default the one that it is now in the program's zone.
    #[param(pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$", example = "2026-11")]
    month: Option<String>,
    /// How many to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before.
    #[validate(custom(function = "wire::is_cursor"))]
    #[param(format = "cursor", pattern = "^[A-Za-z0-9_-]+$", max_length = 1500)]
    cursor: Option<String>,
}

/// A VIP's anniversary or birthday.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnniversaryOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The name that staff read.
    #[schema(required, examples("Ada Byron"))]
    pub name: Option<String>,
    /// The e-mail address.
    #[schema(required, examples("ada@example.com"))]
    pub email: Option<String>,
    /// How the customer prefers to be contacted.
    #[schema(required, examples("phone"))]
    pub preferred_channel: Option<String>,
    /// The code of the higher of the membership's tier and the designation's.
    #[schema(required, examples("gold"))]
    pub tier: Option<String>,
    /// `vip_anniversary` or `birthday`.
    #[schema(examples("vip_anniversary"))]
    pub occasion: String,
    /// The date in that month; 29 February is the 28th in other years.
    #[schema(examples("2026-11-05"))]
    pub on: NaiveDate,
    /// For how many years the customer is a VIP, or the age.
    #[schema(examples(2))]
    pub years: i32,
    /// Who looks after this customer.
    #[schema(required, examples("sam"))]
    pub assigned_to: Option<String>,
}

impl AnniversaryOut {
    fn new(row: &AnniversaryRow, record: &ProgramRecord, month: Month) -> workflow::Result<Self> {
        let found = month.anniversary(date(&row.origin)?);
        let failed = || db::Error::Corrupt(format!("{:?} is not in {month}", row.origin));
        let (on, years) = found.ok_or_else(failed)?;
        let occasion = if row.is_birthday() { "birthday" } else { "vip_anniversary" };
        Ok(Self {
            customer_id: row.customer_id.clone(),
            name: row.name.clone(),
            email: row.email.clone(),
            preferred_channel: row.preferred_channel.clone(),
            tier: effective_tier(record, row.reached.as_deref(), row.given.as_deref()),
            occasion: occasion.to_owned(),
            on,
            years,
            assigned_to: row.assigned_to.clone(),
        })
    }
}

impl Line for AnniversaryOut {
    const COLUMNS: &'static [&'static str] = &[
        "customer_id",
        "name",
        "email",
        "preferred_channel",
        "tier",
        "occasion",
        "on",
        "years",
        "assigned_to",
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.customer_id),
            Cell::maybe(self.name.as_deref()),
            Cell::maybe(self.email.as_deref()),
            Cell::maybe(self.preferred_channel.as_deref()),
            Cell::maybe(self.tier.as_deref()),
            Cell::text(&self.occasion),
            Cell::plain(self.on),
            Cell::plain(self.years),
            Cell::maybe(self.assigned_to.as_deref()),
        ]
    }
}

/// A page of the anniversaries and birthdays of a month.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnniversariesOut {
    /// The instant that this holds for.
    #[schema(examples("2026-11-23T10:00:00Z"))]
    pub as_of: At,
    /// Whether tiers in this may still be those from before a change of the
    /// program that has not come to everyone.
    #[schema(examples(false))]
    pub recalculating: bool,
    /// The month.
    #[schema(examples("2026-11"))]
    pub month: String,
    /// The program's time zone, by which it is now one month or another.
    #[schema(examples("Europe/London"))]
    pub time_zone: String,
    /// The anniversaries and birthdays.
    pub anniversaries: Vec<AnniversaryOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// The month that a request asks for, or the one that it is now.
fn month_of(
    record: &ProgramRecord,
    (text, now): &(Option<String>, Instant),
) -> workflow::Result<Month> {
    let month = match text {
        Some(text) => Month::parse(text),
        None => local_date(record.program.time_zone, *now).and_then(Month::of),
    };
    let failed = || db::Error::Failed("there is no such month".to_owned());
    Ok(month.ok_or_else(failed)?)
}

fn read(
    tx: &mut Tx<'_>,
    store: &StoreId,
    record: &ProgramRecord,
    asked: &(Option<String>, Instant),
    after: Option<&Seek>,
    limit: i64,
) -> workflow::Result<Vec<Placed<AnniversaryOut>>> {
    let month = month_of(record, asked)?;
    let rows = reports::anniversaries(tx, store, month, after, limit)?;
    let placed = |row: &AnniversaryRow| {
        Ok(Placed { line: AnniversaryOut::new(row, record, month)?, seek: row.seek() })
    };
    rows.iter().map(placed).collect()
}

problems!(ReportAnniversariesProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// The anniversaries and birthdays of VIPs in a month, by day.
///
/// Definition: of customers whose designation is active now, the days of the
/// month on which they have been VIPs (`since`) for a number of years, 1 or
/// more, and those on which they have their birthday; of both, 29 February is
/// the 28th in other years. On one day birthdays come first, then by
/// identifier. With `Accept: text/csv` the list is answered whole, and `limit`
/// and `cursor` don't matter. Roles: `manager`, `administrator`,
/// `platform_admin`.
#[utoipa::path(
    tag = "Reports",
    operation_id = "report_anniversaries",
    security(("token" = [])),
    params(AnniversariesQuery),
    responses(
        (status = 200, description = "A page of the month's anniversaries and birthdays, or all of them as CSV.", content(
            (AnniversariesOut = "application/json"), (String = "text/csv"),
        )),
        ReportAnniversariesProblems,
    ),
)]
#[get("/v1/reports/anniversaries")]
pub async fn report_anniversaries(
    allowed: Allowed<ReadReports>,
    query: Query<AnniversariesQuery>,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let is_behind = catch_up(&db, &store, Shows::Everything).await;
    let AnniversariesQuery { month, limit, cursor } = query.0;
    let now = wire::now();
    let asked = (month, now);
    if wants_csv(&request) {
        return file("anniversaries.csv", &db, store, asked, read, MANY_ROWS).await;
    }
    let (record, anniversaries, next_cursor) =
        page(&db, store, asked.clone(), read, (limit, cursor)).await?;
    Ok(HttpResponse::Ok().json(AnniversariesOut {
        as_of: At(now),
        recalculating: is_behind || record.pending.is_some(),
        month: month_of(&record, &asked)?.to_string(),
        time_zone: record.program.time_zone.name().to_owned(),
        anniversaries,
        next_cursor,
    }))
}
