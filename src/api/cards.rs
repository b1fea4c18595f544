//! What a customer may see of themselves.

use super::auth::{Allowed, ReadOne};
use super::benefits::BenefitOut;
use super::extract::{Id, NoQuery};
use super::problem::{ANY_TOKEN, ApiResult, Code, problems};
use super::rewards::{BalancesOut, RewardOut};
use super::wire::{self, At, FiguresOut, MembershipOut, NextTierOut};
use crate::db::Db;
use crate::db::badges::Ids;
use crate::domain::badge::{Badge, Known};
use crate::domain::benefit::Icon;
use crate::domain::designation::State;
use crate::domain::id::CustomerId;
use crate::domain::program::EntryMethod;
use crate::domain::tier::Tier;
use crate::domain::words::word;
use crate::workflow::badges::read_one;
use actix_web::{HttpResponse, get, web};
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

/// A tier on a card.
#[derive(Debug, Serialize, ToSchema)]
pub struct CardTierOut {
    /// The tier's code.
    #[schema(examples("gold"))]
    pub code: String,
    /// The tier's name.
    #[schema(examples("Gold"))]
    pub name: String,
    /// The tier's picture.
    #[schema(examples("gold"))]
    pub icon: String,
}

impl From<&(Tier, Icon)> for CardTierOut {
    fn from((tier, icon): &(Tier, Icon)) -> Self {
        Self {
            code: tier.code.to_string(),
            name: tier.name.clone(),
            icon: word(&Icon::WORDS, icon).to_owned(),
        }
    }
}

/// A VIP status that the customer may see.
#[derive(Debug, Serialize, ToSchema)]
pub struct CardVipOut {
    /// The date from which on the customer is a VIP.
    #[schema(examples("2024-03-01"))]
    pub since: NaiveDate,
    /// The tier of the VIP status; null where it goes with the tier that the customer holds.
    #[schema(required)]
    pub tier: Option<CardTierOut>,
}

/// What a customer may see of themselves.
#[derive(Debug, Serialize, ToSchema)]
pub struct CardOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The customer's name.
    #[schema(required, examples("Ada Byron"))]
    pub name: Option<String>,
    /// The tier that the customer holds.
    #[schema(required)]
    pub tier: Option<CardTierOut>,
    /// What counts toward the next tier.
    pub progress: FiguresOut,
    /// What the thresholds are measured against: `amount_spent`,
    /// `orders_placed` or `points_earned`.
    #[schema(examples("amount_spent"))]
    pub entry_method: String,
    /// The next tier, and what is missing to it; null at the top.
    #[schema(required)]
    pub next_tier: Option<NextTierOut>,
    /// When progress starts again at zero; null where nothing is going to end the period.
    #[schema(required, examples("2030-01-01T00:00:00Z"))]
    pub resets_at: Option<At>,
    /// The benefits that the customer has now.
    pub benefits: Vec<BenefitOut>,
    /// What the tier gives back on orders; null for nothing.
    #[schema(required)]
    pub reward: Option<RewardOut>,
    /// The store credit and the points that the customer has now.
    pub balances: BalancesOut,
    /// The VIP status, where the setting `vip_visible_to_customers` shows it.
    #[schema(required)]
    pub vip: Option<CardVipOut>,
}

problems!(GetCardProblems: ANY_TOKEN, &[
    Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp, Code::FigureOverflow,
]);

/// The customer's own card: what the storefront may show to them.
///
/// Never a note or a flag of staff's. A designation, and what comes with it,
/// shows only where the setting `vip_visible_to_customers` says so. Roles: all.
#[utoipa::path(
    tag = "Memberships",
    operation_id = "get_card",
    security(("token" = [])),
    params(("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1")),
    responses((status = 200, description = "The card now.", body = CardOut), GetCardProblems),
)]
#[get("/v1/customers/{customer_id}/card")]
pub async fn get_card(
    allowed: Allowed<ReadOne>,
    id: Id<CustomerId>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let now = wire::now();
    let ids = Ids::Customers(vec![id.0.to_string()]);
    let (record, treated) = read_one(&db, &allowed.caller.store, ids, now).await?;
    let program = &record.program;
    let membership = &treated.membership;
    let is_visible = program.treatment.vip_visible_to_customers;
    let designation = treated.designation.as_ref().map(|known| &known.designation);
    // What the customer may see is how they would be treated without the rest.
    let seen = Badge::of(&Known {
        program,
        flag: treated.customer.flag()?,
        print_vip_icon: treated.customer.print_vip_icon,
        membership,
        designation: designation.filter(|_| is_visible),
        now,
    });
    let reached = Badge::of(&Known {
        program,
        flag: None,
        print_vip_icon: treated.customer.print_vip_icon,
        membership,
        designation: None,
        now,
    });
    let vip =
        designation.filter(|known| is_visible && known.state(now) == State::Active).map(|known| {
            CardVipOut {
                since: known.since,
                tier: known.tier.as_ref().and_then(|code| {
                    let tier = program.latest().ladder.find(code)?;
                    let icon = program.treatment.of(code).icon;
                    Some(CardTierOut::from(&(tier.clone(), icon)))
                }),
            }
        });
    let out = MembershipOut::new(id.0.as_str(), membership, program.currency);
    Ok(HttpResponse::Ok().json(CardOut {
        customer_id: id.0.to_string(),
        name: treated.customer.name.clone(),
        tier: reached.tier.as_ref().map(CardTierOut::from),
        progress: out.progress,
        entry_method: word(&EntryMethod::WORDS, &membership.entry_method).to_owned(),
        next_tier: out.next_tier,
        resets_at: out.period.and_then(|period| period.end),
        reward: out.reward,
        balances: BalancesOut::new(treated.balance, program.currency),
        benefits: seen.benefits.iter().map(|had| BenefitOut::from(&had.benefit)).collect(),
        vip,
    }))
}
