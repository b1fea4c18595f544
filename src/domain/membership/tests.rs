//! The properties of design, section 3, against random programs and histories.

use super::*;
use crate::domain::earning::{Earns, Way, Ways};
use crate::domain::fact::{CompletedOrder, Points, Refund};
use crate::domain::id::{ActivityId, OrderId, RefundId, WayCode};
use crate::domain::money::Currency;
use crate::domain::program::{Pause, Revision};
use crate::domain::tier::{Ladder, Tier};
use chrono::{Duration, NaiveDate};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const ZONES: [chrono_tz::Tz; 4] = [
    chrono_tz::UTC,
    chrono_tz::Europe::London,
    chrono_tz::Asia::Beirut,
    chrono_tz::America::Havana,
];

fn way(text: &str) -> WayCode {
    WayCode::parse(text).unwrap()
}

fn code(text: &str) -> TierCode {
    TierCode::parse(text).unwrap()
}

/// Instants over four years, many of them on the very boundaries.
fn instant() -> impl Strategy<Value = Instant> {
    let date = |y, m, d| {
        NaiveDate::from_ymd_opt(y, m, d).unwrap().and_time(chrono::NaiveTime::MIN).and_utc()
    };
    prop_oneof![
        (0_i64..1_460 * 4).prop_map(move |q| date(2022, 1, 1) + Duration::hours(q * 6)),
        (2022_i32..2026, 1_u32..13).prop_map(move |(y, m)| date(y, m, 1)),
        (2022_i32..2026).prop_map(move |y| date(y, 1, 1)),
    ]
}

fn reset() -> impl Strategy<Value = ProgressReset> {
    prop_oneof![
        Just(ProgressReset::Never),
        Just(ProgressReset::CalendarYear),
        (
            select(vec![1_u32, 3, 12]),
            select(vec![Anchor::Enrolment, Anchor::FirstTier, Anchor::ProgramStart])
        )
            .prop_map(|(months, anchor)| ProgressReset::Rolling { months, anchor }),
    ]
}

fn rules(retention: Option<TierRetention>) -> impl Strategy<Value = Rules> {
    let retention = match retention {
        Some(only) => Just(only).boxed(),
        None => select(vec![TierRetention::Permanent, TierRetention::ResetEachPeriod]).boxed(),
    };
    (
        select(EntryMethod::WORDS.map(|(_, method)| method).to_vec()),
        reset(),
        retention,
        select(vec!["0", "1", "0.5", "10"]),
        any::<bool>(),
        vec(1_i64..40, 0..4),
        any::<bool>(),
    )
        .prop_map(
            |(entry_method, progress_reset, tier_retention, rate, entry, steps, by_tier)| {
                let unit = if entry_method == EntryMethod::OrdersPlaced { 1 } else { 10 };
                let mut threshold = 0;
                let mut tiers: Vec<Tier> = Vec::new();
                for (i, step) in steps.iter().enumerate() {
                    threshold += step * unit;
                    tiers.push(Tier {
                        code: code(&format!("t{i}")),
                        name: format!("Tier {i}"),
                        rank: u32::try_from(i).unwrap() + 2,
                        threshold: Some(threshold),
                        reward: None,
                    });
                }
                if entry {
                    tiers.push(Tier {
                        code: code("entry"),
                        name: "Entry".into(),
                        rank: 1,
                        threshold: Some(0),
                        reward: None,
                    });
                }
                let codes: Vec<TierCode> = tiers.iter().map(|tier| tier.code.clone()).collect();
                let mut rules = Rules {
                    entry_method,
                    progress_reset,
                    tier_retention,
                    points_per_unit: rate.parse().unwrap(),
                    ways: Ways::default(),
                    ladder: Ladder::new(tiers).unwrap(),
                };
                if by_tier {
                    let by_tier = |step: u32| {
                        codes.iter().cloned().zip((1_u32..).map(|i| (i * step).into())).collect()
                    };
                    for (code, earns, points, by_tier) in [
                        ("order", Earns::PerCurrencyUnit, rules.points_per_unit, by_tier(2)),
                        ("visit", Earns::PerEvent, 7.into(), by_tier(3)),
                    ] {
                        let (code, name) = (way(code), code.to_owned());
                        rules.put_way(Way { code, name, earns, points, by_tier }).unwrap();
                    }
                }
                rules
            },
        )
}

fn program(retention: Option<TierRetention>) -> impl Strategy<Value = Program> {
    (
        select(ZONES.to_vec()),
        instant(),
        vec((instant(), rules(retention)), 1..4),
        vec(instant(), 0..5),
    )
        .prop_map(|(time_zone, start, mut revisions, mut pauses)| {
            revisions.sort_by_key(|(from, _)| *from);
            revisions.dedup_by_key(|(from, _)| *from);
            pauses.sort();
            pauses.dedup();
            let revisions = revisions
                .into_iter()
                .enumerate()
                .map(|(i, (effective_from, rules))| Revision {
                    number: i64::try_from(i).unwrap() + 1,
                    effective_from,
                    rules,
                })
                .collect();
            let pauses = pauses
                .chunks(2)
                .map(|pair| Pause { from: pair[0], until: pair.get(1).copied() })
                .collect();
            Program::new(
                "VIP".into(),
                Currency::parse("GBP").unwrap(),
                time_zone,
                start.date_naive(),
                90,
                revisions,
                pauses,
            )
            .unwrap()
        })
}

fn history() -> impl Strategy<Value = History> {
    let refunds = vec((0_i64..=10, instant()), 0..3);
    let order = (instant(), 0_i64..40, 0_i64..200, refunds);
    (vec(order, 0..12), vec((instant(), 1_i64..100), 0..4)).prop_map(|(orders, points)| History {
        orders: orders
            .into_iter()
            .enumerate()
            .map(|(i, (completed_at, hours, total, refunds))| {
                let mut left = total;
                let refunds = refunds
                    .into_iter()
                    .enumerate()
                    .filter_map(|(k, (tenths, refunded_at))| {
                        let amount = (total * tenths / 10).min(left);
                        left -= amount;
                        (amount > 0).then(|| Refund {
                            id: RefundId::parse(&format!("r{i}-{k}")).unwrap(),
                            refunded_at,
                            amount,
                        })
                    })
                    .collect();
                CompletedOrder {
                    id: OrderId::parse(&format!("o{i}")).unwrap(),
                    placed_at: completed_at - Duration::hours(hours),
                    completed_at,
                    total,
                    refunds,
                }
            })
            .collect(),
        points: points
            .into_iter()
            .enumerate()
            .map(|(i, (occurred_at, points))| Points {
                id: ActivityId::parse(&format!("p{i}")).unwrap(),
                occurred_at,
                // Some of them are an event of the one way to earn that there may be.
                worth: if points % 3 == 0 {
                    Worth::Event(way("visit"))
                } else {
                    Worth::Points(points)
                },
            })
            .collect(),
    })
}

fn joining() -> impl Strategy<Value = Joining> {
    (proptest::option::of(instant()), instant())
        .prop_map(|(joined_at, created_at)| Joining { joined_at, created_at })
}

fn folded(program: &Program, joining: Joining, history: &History, at: Instant) -> State {
    let mut fold = Fold::of(program, joining, history, Some(at)).unwrap();
    fold.advance(at);
    fold.into_parts().0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_fold_agrees_with_a_naive_model(
        program in program(None), joining in joining(), history in history(), at in instant(),
    ) {
        let state = folded(&program, joining, &history, at);
        let naive = model::membership(&program, joining, &history, at);
        prop_assert_eq!(state.enrolled_at, naive.enrolled_at);
        prop_assert_eq!(state.tier.map(|held| (held.code, held.since)), naive.tier);
        prop_assert_eq!(state.period.map(|period| (period.start, period.end)), naive.period);
        prop_assert_eq!(state.progress, naive.progress);
        prop_assert_eq!(state.lifetime, naive.lifetime);
    }

    #[test]
    fn fact_by_fact_from_the_stored_state_equals_the_fold_in_one_go(
        program in program(None), joining in joining(), history in history(),
    ) {
        let mut stored = State::default();
        for fact in history.facts().unwrap() {
            let mut fold = Fold::resume(&program, joining, stored);
            fold.tell(&fact).unwrap();
            stored = fold.into_parts().0;
            // A read in between changes nothing that is stored.
            let mut read = Fold::resume(&program, joining, stored.clone());
            read.advance(fact.key.at + Duration::days(400));
        }
        let whole = Fold::of(&program, joining, &history, None).unwrap().into_parts().0;
        prop_assert_eq!(stored, whole);
    }

    #[test]
    fn time_may_be_told_in_any_steps(
        program in program(None), joining in joining(), history in history(), stops in vec(instant(), 0..6),
    ) {
        let until = "2027-01-01T00:00:00Z".parse().unwrap();
        let mut stops = stops;
        stops.sort();
        let mut fold = Fold::resume(&program, joining, State::default());
        for fact in history.facts().unwrap() {
            // Only a customer who can't join by a fact still to come may be told of time alone.
            if fold.state().enrolled_at.is_some() {
                for stop in stops.iter().filter(|stop| **stop < fact.key.at && Some(**stop) > fold.state().at).copied().collect::<Vec<_>>() {
                    fold.advance(stop);
                }
            }
            fold.tell(&fact).unwrap();
        }
        fold.advance(until);
        prop_assert_eq!(fold.into_parts().0, folded(&program, joining, &history, until));
    }

    #[test]
    fn progress_is_never_negative_and_money_is_conserved(
        program in program(None), joining in joining(), history in history(),
    ) {
        let mut fold = Fold::resume(&program, joining, State::default());
        for fact in history.facts().unwrap() {
            fold.tell(&fact).unwrap();
            for figures in [fold.state().progress, fold.state().lifetime] {
                prop_assert!(figures.amount_spent >= 0 && figures.orders_placed >= 0 && figures.points_earned >= 0);
            }
        }
        let net: i64 = history.orders.iter()
            .map(|order| order.total - order.refunds.iter().map(|refund| refund.amount).sum::<i64>())
            .sum();
        prop_assert_eq!(fold.state().lifetime.amount_spent, net);
    }

    #[test]
    fn no_fact_lowers_a_tier(program in program(None), joining in joining(), history in history()) {
        let mut fold = Fold::resume(&program, joining, State::default());
        for fact in history.facts().unwrap() {
            fold.advance(fact.key.at);
            fold.take_steps();
            fold.tell(&fact).unwrap();
            for step in fold.take_steps() {
                if let Step::TierChanged { at, from, to, cause: Cause::Fact } = step {
                    let ladder = &program.rules_at(at).ladder;
                    prop_assert!(ladder.rank(to.as_ref()) > ladder.rank(from.as_ref()));
                    prop_assert_ne!(fact.key.kind, FactKind::Refund);
                }
            }
        }
    }

    /// Whatever arrives late and in whatever order: the fold converges, and
    /// under `permanent` the tier is never below the fold's.
    #[test]
    fn every_order_of_arrival_converges(
        program in program(Some(TierRetention::Permanent)),
        joining in joining(),
        history in history(),
        order in any::<prop::sample::Index>(),
        at in instant(),
    ) {
        // Arrival: the history grows by one order at a time, from some rotation of it.
        let mut arrived = History::default();
        let mut achievements = Achievements::default();
        let count = history.orders.len();
        for i in 0..count {
            arrived.orders.push(history.orders[(i + order.index(count)) % count].clone());
            let (state, steps) = Fold::of(&program, joining, &arrived, None).unwrap().into_parts();
            achievements.record(&program, &state, &steps);
        }
        arrived.points.clone_from(&history.points);
        let (state, steps) = Fold::of(&program, joining, &arrived, None).unwrap().into_parts();
        achievements.record(&program, &state, &steps);

        let now = folded(&program, joining, &arrived, at);
        prop_assert_eq!(&now, &folded(&program, joining, &history, at));
        let ladder = &program.rules_at(at).ladder;
        let held = achievements.tier_at(ladder, &now, at);
        let rank = |held: &Option<Held>| ladder.rank(held.as_ref().map(|held| &held.code));
        prop_assert!(rank(&held) >= rank(&now.tier));
    }

    #[test]
    fn nothing_panics_on_any_instant_or_amount(
        program in program(None),
        orders in vec((any::<i64>(), any::<i64>(), 0..=i64::MAX), 0..4),
        joined in any::<i64>(),
        at in -62_000_000_000_000_000_i64..9_000_000_000_000_000,
    ) {
        let instant = |micros: i64| chrono::DateTime::from_timestamp_micros(micros % 9_000_000_000_000_000).unwrap();
        let history = History {
            orders: orders.iter().enumerate().map(|(i, (placed, completed, total))| CompletedOrder {
                id: OrderId::parse(&format!("o{i}")).unwrap(),
                placed_at: instant(*placed),
                completed_at: instant(*completed),
                total: *total,
                refunds: Vec::new(),
            }).collect(),
            points: Vec::new(),
        };
        let joining = Joining { joined_at: None, created_at: instant(joined) };
        if let Ok(mut fold) = Fold::of(&program, joining, &history, None) {
            fold.advance(instant(at));
            let state = fold.into_parts().0;
            let _ = Membership::at(&program, joining, state, &Achievements::default(), instant(at));
        }
    }
}

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn vip(retention: TierRetention, progress_reset: ProgressReset) -> Program {
    let tier = |name: &str, rank, threshold| Tier {
        code: code(name),
        name: name.into(),
        rank,
        threshold: Some(threshold),
        reward: None,
    };
    let rules = Rules {
        entry_method: EntryMethod::AmountSpent,
        progress_reset,
        tier_retention: retention,
        points_per_unit: 1.into(),
        ways: Ways::default(),
        ladder: Ladder::new(vec![
            tier("bronze", 1, 0),
            tier("silver", 2, 500),
            tier("gold", 3, 1_000),
        ])
        .unwrap(),
    };
    let revision = Revision { number: 1, effective_from: at("2024-01-01T00:00:00Z"), rules };
    let start = "2024-01-01".parse().unwrap();
    Program::new(
        "VIP".into(),
        Currency::parse("GBP").unwrap(),
        chrono_tz::UTC,
        start,
        90,
        vec![revision],
        vec![],
    )
    .unwrap()
}

fn order(id: &str, completed_at: &str, total: i64) -> CompletedOrder {
    CompletedOrder {
        id: OrderId::parse(id).unwrap(),
        placed_at: at(completed_at),
        completed_at: at(completed_at),
        total,
        refunds: Vec::new(),
    }
}

const JOINED: Joining = Joining { joined_at: None, created_at: chrono::DateTime::UNIX_EPOCH };

#[test]
fn who_reaches_the_top_tier_in_the_period_keeps_it_and_falls_after_a_period_without() {
    let program = vip(TierRetention::ResetEachPeriod, ProgressReset::CalendarYear);
    let history =
        History { orders: vec![order("o1", "2024-06-01T00:00:00Z", 1_000)], points: vec![] };
    let tier = |when| folded(&program, JOINED, &history, at(when)).tier.unwrap().code;
    assert_eq!(tier("2025-12-31T23:59:59Z"), code("gold"));
    assert_eq!(tier("2026-01-01T00:00:00Z"), code("bronze"));
}

#[test]
fn a_corrected_order_leaves_the_tier_it_had_reached() {
    let program = vip(TierRetention::Permanent, ProgressReset::Never);
    let mut achievements = Achievements::default();
    let mut state = State::default();
    for total in [1_000, 10] {
        let history =
            History { orders: vec![order("o1", "2024-06-01T00:00:00Z", total)], points: vec![] };
        let (folded, steps) = Fold::of(&program, JOINED, &history, None).unwrap().into_parts();
        achievements.record(&program, &folded, &steps);
        state = folded;
    }
    assert_eq!(state.tier.as_ref().unwrap().code, code("bronze"));
    let now = at("2024-07-01T00:00:00Z");
    let membership = Membership::at(&program, JOINED, state, &achievements, now);
    let (tier, since) = membership.tier.unwrap();
    assert_eq!((tier.code, since), (code("gold"), at("2024-06-01T00:00:00Z")));
    assert_eq!(membership.next_tier, None);
    assert_eq!(membership.progress.amount_spent, 10);
}

#[test]
fn a_fall_ends_earlier_achievements() {
    let program = vip(TierRetention::ResetEachPeriod, ProgressReset::CalendarYear);
    let gold = |reached_at: &str| {
        Achievements(vec![Achievement { code: code("gold"), reached_at: at(reached_at) }])
    };
    let state = folded(&program, JOINED, &History::default(), at("2025-06-01T00:00:00Z"));
    let tier = |achievements: Achievements| {
        achievements
            .tier_at(&program.latest().ladder, &state, at("2025-06-01T00:00:00Z"))
            .unwrap()
            .code
    };
    assert_eq!(state.fell_at, Some(at("2025-01-01T00:00:00Z")));
    assert_eq!(tier(gold("2024-12-31T23:59:59Z")), code("bronze"));
    assert_eq!(tier(gold("2025-01-01T00:00:00Z")), code("gold"));
}

#[test]
fn totals_beyond_64_bits_are_an_error() {
    let program = vip(TierRetention::Permanent, ProgressReset::Never);
    let orders =
        vec![order("o1", "2024-06-01T00:00:00Z", i64::MAX), order("o2", "2024-06-02T00:00:00Z", 1)];
    let history = History { orders, points: vec![] };
    assert_eq!(Fold::of(&program, JOINED, &history, None).err(), Some(Overflow));
}
