//! Facts that arrive in any order, any number of times, one by one or in
//! batches, come to what the fold over all of them in one go says.

use crate::support::*;
use accolade::domain::activity::Happening;
use accolade::domain::fact::{CompletedOrder, History, OrderStatus, Worth};
use accolade::domain::id::{ActivityId, CustomerId, OrderId, RefundId, StoreId};
use accolade::domain::membership::{Achievements, Fold, Membership};
use accolade::domain::money::{Amount, Currency};
use accolade::domain::{Instant, fact};
use accolade::workflow::facts::{Activity, Line, Order, Refund, Stored, put_lines};
use accolade::workflow::{Refusal, memberships};
use chrono::{Duration, Utc};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::json;

const CUSTOMER: &str = "c1";
const ROUNDS: u64 = 25;

fn at(days: u64, hours: u64) -> Instant {
    let start: Instant = "2022-01-01T00:00:00Z".parse().unwrap();
    start + Duration::days(days.cast_signed()) + Duration::hours(hours.cast_signed())
}

/// A history, and the lines that tell it.
fn generate(dice: &mut ChaCha8Rng) -> (History, Vec<Line>) {
    let mut below = |n: u64| dice.next_u64() % n;
    let gbp = Currency::parse("GBP").unwrap();
    let customer = CustomerId::parse(CUSTOMER).unwrap();
    let (mut history, mut lines) = (History::default(), Vec::new());
    for i in 0..10 {
        let completed_at = at(below(900), below(4) * 6);
        let id = OrderId::parse(&format!("o{i}")).unwrap();
        let total = below(40_000).cast_signed();
        let mut order = CompletedOrder {
            id: id.clone(),
            placed_at: completed_at - Duration::hours(below(50).cast_signed()),
            completed_at,
            total,
            refunds: Vec::new(),
        };
        let mut left = total;
        for k in 0..below(3) {
            let amount = (total / 2).min(left);
            left -= amount;
            let refunded_at = completed_at + Duration::days(below(500).cast_signed() - 20);
            let refund = RefundId::parse(&format!("r{i}-{k}")).unwrap();
            lines.push(Line::Refund(Refund {
                id: refund.clone(),
                order: id.clone(),
                amount: Amount(amount, gbp).to_string(),
                refunded_at,
            }));
            order.refunds.push(fact::Refund { id: refund, refunded_at, amount });
        }
        lines.push(Line::Order(Order {
            id,
            customer: customer.clone(),
            status: OrderStatus::Completed,
            total,
            currency: gbp,
            placed_at: order.placed_at,
            completed_at: Some(completed_at),
            updated_at: None,
        }));
        history.orders.push(order);
    }
    for i in 0..3 {
        let (occurred_at, points) = (at(below(900), 0), below(300).cast_signed() + 1);
        let id = ActivityId::parse(&format!("p{i}")).unwrap();
        lines.push(Line::Activity(Activity {
            id: id.clone(),
            customer: customer.clone(),
            happening: Happening::Points { worth: Worth::Points(points) },
            occurred_at,
            updated_at: None,
        }));
        history.points.push(fact::Points { id, occurred_at, worth: Worth::Points(points) });
    }
    (history, lines)
}

/// Sends lines in a random order, in batches of random sizes, some of them
/// twice; a refund whose order is not there yet is sent again later.
fn send(app: &App, dice: &mut ChaCha8Rng, lines: &[Line]) {
    let mut waiting: Vec<Line> = lines.to_vec();
    waiting.extend(lines.iter().filter(|_| dice.next_u64().is_multiple_of(3)).cloned());
    while !waiting.is_empty() {
        let count = (dice.next_u64() % 4 + 1).min(waiting.len() as u64);
        let batch: Vec<Line> = (0..count)
            .map(|_| {
                let i = (dice.next_u64() % waiting.len() as u64) as usize;
                waiting.swap_remove(i)
            })
            .collect();
        let sent = batch.clone();
        let outcomes = actix_web::rt::System::new().block_on(app.db.write(move |tx| {
            let (store, id) =
                (StoreId::parse(STORE).unwrap(), CustomerId::parse(CUSTOMER).unwrap());
            let outcomes = put_lines(
                tx,
                &store,
                &id,
                &sent,
                &accolade::db::audit::Actor::system(),
                Utc::now(),
            );
            Ok::<_, accolade::db::Error>(outcomes.unwrap_or_else(|error| match error {
                accolade::workflow::facts::Batch::NothingStored(outcomes) => outcomes,
                other => panic!("{other:?}"),
            }))
        }));
        for (line, outcome) in batch.into_iter().zip(outcomes.unwrap()) {
            match outcome {
                Ok(Stored::Created | Stored::Unchanged) => {}
                Err(Refusal::UnknownOrder) => waiting.push(line),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn converges(app: &App, retention: &str) {
    app.set_up(json!({
        "start_date": "2022-03-01", "time_zone": "Europe/London", "tier_retention": retention,
        "progress_reset": {"kind": "rolling", "months": 6, "anchor": "program_start"},
    }));
    app.set_tiers(&[("bronze", "0"), ("silver", "250.00"), ("gold", "600.00")]);
    let set_up: String = app.admin().get("/v1/program").expect(200).text;
    for round in 0..ROUNDS {
        // A store of its own for each round would be slower to set up than this.
        clear(app);
        let mut dice = ChaCha8Rng::seed_from_u64(round);
        let (history, lines) = generate(&mut dice);
        send(app, &mut dice, &lines);
        for probe in [at(100, 0), at(365, 12), at(800, 0), Utc::now()] {
            let (stored, folded, ladder) = app
                .db
                .read_blocking(|tx| {
                    let (store, id) =
                        (StoreId::parse(STORE).unwrap(), CustomerId::parse(CUSTOMER).unwrap());
                    let (program, stored) = memberships::read(tx, &store, &id, probe)?;
                    let (row, _) = memberships::load(tx, &store, &id)?;
                    let program = &program.program;
                    let fold = Fold::of(program, row.joining()?, &history, Some(probe))?;
                    let folded = Membership::at(
                        program,
                        row.joining()?,
                        fold.into_parts().0,
                        &Achievements::default(),
                        probe,
                    );
                    Ok::<_, accolade::workflow::Error>((
                        stored,
                        folded,
                        program.latest().ladder.clone(),
                    ))
                })
                .unwrap();
            assert_eq!(stored.progress, folded.progress, "round {round}");
            assert_eq!(stored.lifetime, folded.lifetime, "round {round}");
            assert_eq!(stored.period, folded.period, "round {round}");
            assert_eq!(stored.enrolled_at, folded.enrolled_at, "round {round}");
            let rank = |m: &Membership| ladder.rank(m.tier.as_ref().map(|(tier, _)| &tier.code));
            if retention == "permanent" {
                assert!(rank(&stored) >= rank(&folded), "round {round}");
            } else {
                assert_eq!(stored.tier, folded.tier, "round {round}");
            }
        }
    }
    assert_eq!(app.admin().get("/v1/program").expect(200).text, set_up);
}

/// Takes away all facts and customers.
fn clear(app: &App) {
    use diesel::connection::SimpleConnection;
    let cleared = actix_web::rt::System::new().block_on(app.db.write(|tx| {
        let tables = ["customers", "memberships", "orders", "refunds", "activities"];
        for table in tables {
            tx.conn.batch_execute(&format!("DELETE FROM {table}"))?;
        }
        Ok::<_, accolade::db::Error>(())
    }));
    cleared.unwrap();
}

on_both! {
    fn every_arrival_comes_to_the_same_progress_and_under_permanent_never_to_a_lower_tier(app) {
        converges(app, "permanent");
    }

    fn every_arrival_comes_to_the_same_tier_under_reset_each_period(app) {
        converges(app, "reset_each_period");
    }
}
