//! What is stored of rules, moved on fact by fact and by the passes of the
//! nights, is what a look at all facts says: for random customers and rules,
//! with time moved across windows.

use crate::support::*;
use accolade::db::audit::Actor;
use accolade::db::{designations, programs, qualifications};
use accolade::domain::Instant;
use accolade::domain::activity::Happening;
use accolade::domain::customer::SubscriptionState;
use accolade::domain::fact::{OrderStatus, Worth};
use accolade::domain::id::{ActivityId, CustomerId, OrderId, RefundId, StoreId};
use accolade::domain::membership::Figures;
use accolade::domain::money::{Amount, Currency};
use accolade::domain::program::Program;
use accolade::domain::qualification::is_met;
use accolade::domain::qualification::metric::Name;
use accolade::domain::qualification::signal::{Complaint, Signals};
use accolade::workflow::customers::{Profile, Subscription};
use accolade::workflow::facts::{Activity, Line, Order, Refund, put_lines};
use accolade::workflow::qualification::take_up;
use chrono::{Duration, SubsecRound, Utc};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const CUSTOMERS: u64 = 6;
const ROUNDS: u64 = 6;

/// All that was told so far, the newest state of each thing.
#[derive(Default)]
struct Told {
    profiles: BTreeMap<String, Profile>,
    cancellations: BTreeMap<String, i64>,
    orders: BTreeMap<String, Order>,
    refunds: BTreeMap<String, (String, i64)>,
    activities: BTreeMap<String, Activity>,
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n
    }

    fn days_before(&mut self, now: Instant, days: u64) -> Instant {
        now - Duration::minutes(self.below(days * 24 * 60).cast_signed())
    }

    fn customer(&mut self) -> CustomerId {
        let number = self.below(CUSTOMERS);
        CustomerId::parse(&format!("c{number}")).unwrap()
    }
}

fn gbp() -> Currency {
    Currency::parse("GBP").unwrap()
}

fn store() -> StoreId {
    StoreId::parse(STORE).unwrap()
}

/// A rule of up to three conditions over any metric, with bounds that some meet.
fn rule(dice: &mut Dice) -> Value {
    let condition = |dice: &mut Dice| {
        let (word, name) = Name::WORDS[dice.below(17) as usize];
        let most = match name {
            Name::LifetimeSpend => 900,
            Name::SpendInDays | Name::ReferralSpend => 400,
            Name::ComplaintResolutionHours => 1_000,
            Name::PointsTotal | Name::PointsInDays => 600,
            Name::IdleDays => 60,
            Name::TenureMonths => 20,
            Name::OrdersTotal | Name::OrdersInDays => 6,
            Name::NeverCancelled | Name::HasTag => 2,
            _ => 3,
        };
        let side = if dice.below(4) == 0 { "at_most" } else { "at_least" };
        let mut condition = json!({"metric": word, side: dice.below(most).to_string()});
        if word.ends_with("_in_days") {
            condition["window_days"] = json!([7, 20, 45, 100][dice.below(4) as usize]);
        }
        if name == Name::HasTag {
            condition["tag"] = json!(["blue", "green"][dice.below(2) as usize]);
        }
        condition
    };
    let count = dice.below(3) + 1;
    let conditions: Vec<Value> = (0..count).map(|_| condition(dice)).collect();
    let tier = [Value::Null, json!("gold"), json!("platinum")][dice.below(3) as usize].clone();
    json!({
        "name": "Random", "profile": "other", "conditions": conditions,
        "grants": {"tier": tier, "requires_approval": dice.below(3) == 0},
    })
}

/// Something new, or a correction of what was told, that has happened by now.
fn line(dice: &mut Dice, told: &Told, now: Instant) -> (CustomerId, Line) {
    let customer = dice.customer();
    let number = dice.below(40);
    match dice.below(10) {
        0 | 1 => {
            let tags = ["blue", "green"].into_iter().filter(|_| dice.below(2) == 0);
            let tags = tags.map(str::to_owned).collect();
            let state = match dice.below(4) {
                0 => SubscriptionState::Cancelled,
                _ => SubscriptionState::Active,
            };
            let is_cancelled = state == SubscriptionState::Cancelled;
            let mut profile = told.profiles[customer.as_str()].clone();
            profile.tags = tags;
            profile.subscription = Some(Subscription {
                monthly_amount: "9.00".into(),
                state,
                // Long enough ago that nobody's grace plays a part.
                cancelled_at: is_cancelled.then(|| now - Duration::days(2)),
            });
            (customer.clone(), Line::Customer(customer, Box::new(profile)))
        }
        2..=4 => {
            let id = OrderId::parse(&format!("o{number}")).unwrap();
            let known = told.orders.get(id.as_str());
            let refunded = told.refunds.get(&format!("r-{id}")).map_or(0, |(_, amount)| *amount);
            let customer = known.map_or(customer, |order| order.customer.clone());
            let completed_at = dice.days_before(now, 130);
            let status = [OrderStatus::Completed, OrderStatus::Completed, OrderStatus::Pending]
                [dice.below(3) as usize];
            let order = Order {
                id,
                customer: customer.clone(),
                status,
                total: dice.below(25_000).cast_signed() + refunded,
                currency: gbp(),
                placed_at: completed_at,
                completed_at: (status == OrderStatus::Completed).then_some(completed_at),
                updated_at: None,
            };
            (customer, Line::Order(order))
        }
        5 if !told.orders.is_empty() => {
            let i = dice.below(told.orders.len() as u64) as usize;
            let order = told.orders.values().nth(i).unwrap();
            let amount = (order.total / [1, 2, 3][dice.below(3) as usize]).max(0);
            let refund = Refund {
                id: RefundId::parse(&format!("r-{}", order.id)).unwrap(),
                order: order.id.clone(),
                amount: Amount(amount, gbp()).to_string(),
                refunded_at: now - Duration::hours(1),
            };
            (order.customer.clone(), Line::Refund(refund))
        }
        _ => {
            let id = ActivityId::parse(&format!("a{number}")).unwrap();
            let known = told.activities.get(id.as_str());
            let customer = known.map_or(customer, |activity| activity.customer.clone());
            let occurred_at = dice.days_before(now, 130);
            let referred = CustomerId::parse(&format!("c{}", dice.below(CUSTOMERS))).unwrap();
            let happening = match number % 4 {
                0 => {
                    let points = dice.below(300).cast_signed() + 1;
                    Happening::Points { worth: Worth::Points(points) }
                }
                1 => Happening::Survey { score: u8::try_from(dice.below(5) + 1).unwrap() },
                2 if referred != customer => Happening::Referral { referred },
                2 => known.map_or(
                    Happening::Referral { referred: CustomerId::parse("stranger").unwrap() },
                    |activity| activity.happening.clone(),
                ),
                _ => Happening::Complaint {
                    channel: "chat".into(),
                    is_public: dice.below(2) == 0,
                    resolved_at: (dice.below(2) == 0)
                        .then(|| occurred_at + (now - occurred_at) / 2)
                        .map(|at| at.trunc_subsecs(6)),
                },
            };
            let activity = Activity {
                id,
                customer: customer.clone(),
                happening,
                occurred_at,
                updated_at: None,
            };
            (customer, Line::Activity(activity))
        }
    }
}

impl Told {
    /// Tells the service of a line at an instant, and takes it down where it was stored.
    fn tell(&mut self, app: &App, customer: &CustomerId, line: Line, now: Instant) {
        let (id, sent) = (customer.clone(), line.clone());
        let outcome = actix_web::rt::System::new().block_on(app.db.write(move |tx| {
            let told = put_lines(tx, &store(), &id, &[sent], &Actor::system(), now);
            Ok::<_, accolade::db::Error>(told.is_ok())
        }));
        if !outcome.unwrap() {
            return;
        }
        match line {
            Line::Customer(id, profile) => {
                let is = |profile: &Profile| {
                    let state = profile.subscription.as_ref().map(|s| s.state);
                    state == Some(SubscriptionState::Cancelled)
                };
                let was = self.profiles.get(id.as_str()).is_some_and(&is);
                if is(&profile) && !was {
                    *self.cancellations.entry(id.to_string()).or_default() += 1;
                }
                self.profiles.insert(id.to_string(), *profile);
            }
            Line::Order(order) => {
                self.orders.insert(order.id.to_string(), order);
            }
            Line::Refund(refund) => {
                let amount = accolade::domain::money::parse_amount(&refund.amount, gbp()).unwrap();
                let of = refund.order.to_string();
                self.refunds.entry(refund.id.to_string()).or_insert((of, amount));
            }
            Line::Activity(activity) => {
                self.activities.insert(activity.id.to_string(), activity);
            }
        }
    }

    fn net(&self, order: &Order) -> i64 {
        let of = |(id, _): &&(String, i64)| *id == order.id.to_string();
        let refunds = self.refunds.values().filter(of);
        order.total - refunds.map(|(_, amount)| amount).sum::<i64>()
    }

    /// All that is known of a customer, from the first fact on.
    fn signals(&self, program: &Program, customer: &str) -> Signals {
        let of = |id: &CustomerId| id.as_str() == customer;
        let completed = |order: &&Order| order.completed_at.is_some();
        let orders: Vec<&Order> =
            self.orders.values().filter(|o| of(&o.customer)).filter(completed).collect();
        let mut counted: Vec<(Instant, Figures)> = orders
            .iter()
            .map(|order| {
                let at = order.completed_at.unwrap();
                let is_free = order.total == 0;
                (at, Figures::of_order(program, None, at, self.net(order), is_free).unwrap())
            })
            .collect();
        let (mut surveys, mut complaints, mut referred) = (Vec::new(), Vec::new(), Vec::new());
        for activity in self.activities.values() {
            let at = activity.occurred_at;
            let is_theirs = of(&activity.customer);
            match &activity.happening {
                Happening::Points { worth } if is_theirs => {
                    counted.push((at, Figures::of_points(program, None, at, worth)));
                }
                Happening::Survey { score } if is_theirs => surveys.push((at, *score)),
                Happening::Complaint { is_public, resolved_at, .. } if is_theirs => {
                    let (is_public, resolved_at) = (*is_public, *resolved_at);
                    complaints.push(Complaint { at, is_public, resolved_at });
                }
                Happening::Referral { referred: whom } if is_theirs => {
                    let is_first = self.activities.values().all(|other| {
                        !matches!(&other.happening, Happening::Referral { referred } if referred == whom)
                            || (other.occurred_at, other.id.as_str()) >= (at, activity.id.as_str())
                    });
                    referred.extend(is_first.then_some((whom, at)));
                }
                _ => {}
            }
        }
        let brought_in = |(whom, since): &(&CustomerId, Instant)| -> i64 {
            let since = Some(*since);
            let orders = self.orders.values().filter(|o| o.customer == **whom).filter(completed);
            orders.filter(|o| o.completed_at >= since).map(|o| self.net(o)).sum()
        };
        let mut lifetime = Figures::default();
        for (_, worth) in &counted {
            lifetime.amount_spent += worth.amount_spent;
            lifetime.orders_placed += worth.orders_placed;
            lifetime.points_earned += worth.points_earned;
        }
        let profile = &self.profiles[customer];
        Signals {
            joined_at: profile.joined_at.unwrap(),
            lifetime,
            last_order_at: orders.iter().filter_map(|order| order.completed_at).max(),
            cancellations: self.cancellations.get(customer).copied().unwrap_or(0),
            tags: profile.tags.clone(),
            counted,
            surveys,
            complaints,
            referrals: referred.len() as i64,
            referral_spend: referred.iter().map(brought_in).sum(),
        }
    }
}

/// Insists that what is stored is what all facts say at an instant; between
/// two passes, of the rules that mind no other customer's facts.
fn check(app: &App, told: &Told, now: Instant, is_after_a_pass: bool, about: &str) {
    let (program, standings, designated) = app
        .db
        .read_blocking(|tx| {
            let program = programs::find(tx, &store(), programs::Hold::Read)?.unwrap();
            let standings = qualifications::in_range(tx, &store(), ("c", "d"))?;
            let designated = designations::in_range(tx, &store(), "c", "d")?;
            Ok::<_, accolade::db::Error>((program, standings, designated))
        })
        .unwrap();
    let program = &program.program;
    let ladder = &program.latest().ladder;
    for customer in told.profiles.keys() {
        let signals = told.signals(program, customer);
        let mut expected = BTreeSet::new();
        let mut minded = BTreeSet::new();
        for rule in program.qualification.enabled() {
            let minds_others = rule.conditions.iter().any(|condition| {
                matches!(condition.metric.name(), Name::Referrals | Name::ReferralSpend)
            });
            if is_after_a_pass || !minds_others {
                minded.insert(rule.code.clone());
                let findings = rule.judge(&signals, program.time_zone, now).unwrap();
                expected.extend(is_met(&findings).then(|| rule.code.clone()));
            }
        }
        let none = qualifications::Standings::new();
        let stored = standings.get(customer).unwrap_or(&none);
        let met: BTreeSet<_> = stored.keys().filter(|c| minded.contains(*c)).cloned().collect();
        assert_eq!(met, expected, "{about}: {customer} at {now}: {signals:#?}");
        for code in &met {
            let rule = &program.qualification.rules[code];
            assert!(stored[code].outcome.is_some(), "{about}: {customer} {code}");
            if !rule.requires_approval {
                let tier = designated[customer].tier.as_ref();
                assert!(
                    ladder.rank(tier) >= ladder.rank(rule.grant.tier.as_ref()),
                    "{about}: {customer} {code}"
                );
            }
        }
    }
}

fn pass(app: &App, now: Instant) {
    let db = app.db.clone();
    actix_web::rt::System::new().block_on(take_up(&db, now)).unwrap();
}

fn count_events(app: &App) -> usize {
    let kinds = ["designated", "designation_changed", "nomination_made"];
    let mut count = 0;
    app.db
        .read_blocking(|tx| {
            for customer in 0..CUSTOMERS {
                let id = CustomerId::parse(&format!("c{customer}")).unwrap();
                let events = accolade::db::events::list_of_customer(
                    tx,
                    &store(),
                    id.as_str(),
                    &kinds,
                    None,
                    1_000,
                )?;
                count += events.len();
            }
            Ok::<_, accolade::db::Error>(())
        })
        .unwrap();
    count
}

fn converges(app: &App) {
    for round in 0..ROUNDS {
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(round));
        clear(app);
        app.set_up(json!({"time_zone": "America/New_York"}));
        let tier = |code: &str, rank: u32| json!({"code": code, "name": code, "rank": rank});
        let ladder = json!({"tiers": [tier("gold", 1), tier("platinum", 2)]});
        app.admin().put("/v1/tiers", &ladder).expect(200);
        let platform = app.client(accolade::api::auth::Role::PlatformAdmin);
        let mut told = Told::default();
        let start = Utc::now().trunc_subsecs(6);
        for number in 0..CUSTOMERS {
            let id = CustomerId::parse(&format!("c{number}")).unwrap();
            let profile = Profile {
                name: None,
                email: None,
                joined_at: Some(dice.days_before(start, 500).trunc_subsecs(6)),
                birthday: None,
                preferred_channel: None,
                tags: Vec::new(),
                subscription: None,
                print_vip_icon: true,
            };
            told.tell(app, &id.clone(), Line::Customer(id, Box::new(profile)), start);
        }
        // Some facts before there are rules, which the first pass has to find.
        for _ in 0..30 {
            let (customer, line) = line(&mut dice, &told, start);
            told.tell(app, &customer, line, start);
        }
        let mut stored = 0;
        while stored < 9 {
            let path = format!("/v1/rules/r{stored}");
            let answer = platform.put(&path, &rule(&mut dice));
            // What contradicts itself is refused, and tried again.
            assert!(matches!(answer.status, 201 | 422), "{}", answer.text);
            stored += usize::from(answer.status == 201);
        }
        // The background judges by its own clock: it has to be through first.
        crate::role_matrix::at_rest(app, store().as_str());
        let mut now = Utc::now().trunc_subsecs(6) + Duration::days(2);
        for step in 0..4 {
            let about = format!("round {round}, step {step}");
            pass(app, now);
            check(app, &told, now, true, &about);
            let events = count_events(app);
            restart(app, now);
            pass(app, now);
            assert_eq!(count_events(app), events, "{about}: a pass repeats nothing");
            for i in 0..15 {
                let (customer, line) = line(&mut dice, &told, now);
                told.tell(app, &customer, line, now);
                check(app, &told, now, false, &format!("{about}, fact {i}"));
            }
            now += Duration::days([1, 9, 30, 60][dice.below(4) as usize]);
        }
    }
}

/// Has a pass begin anew at an instant.
fn restart(app: &App, now: Instant) {
    let restarted = app.db.write(move |tx| {
        qualifications::restart_pass(tx, &store(), now)?;
        Ok::<_, accolade::db::Error>(())
    });
    actix_web::rt::System::new().block_on(restarted).unwrap();
}

/// Takes away all that a round has left.
fn clear(app: &App) {
    use diesel::connection::SimpleConnection;
    let cleared = actix_web::rt::System::new().block_on(app.db.write(|tx| {
        let tables = [
            "programs",
            "program_revisions",
            "customers",
            "customer_tags",
            "memberships",
            "orders",
            "refunds",
            "activities",
            "designations",
            "designation_spans",
            "qualifications",
            "nominations",
            "qualification_passes",
            "events",
        ];
        for table in tables {
            tx.conn.batch_execute(&format!("DELETE FROM {table}"))?;
        }
        Ok::<_, accolade::db::Error>(())
    }));
    cleared.unwrap();
}

on_both! {
    fn what_is_stored_of_rules_is_what_all_facts_say(app) {
        converges(app);
    }
}
