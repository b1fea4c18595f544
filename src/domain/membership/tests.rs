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

/// The same program, paused.
fn paused(program: &Program, from: &str, until: Option<&str>) -> Program {
    let pause = Pause { from: at(from), until: until.map(at) };
    Program::new(
        program.name.clone(),
        program.currency,
        program.time_zone,
        program.start_date,
        program.grace_days,
        program.revisions().to_vec(),
        vec![pause],
    )
    .unwrap()
}

/// The same program, whose rules change at an instant.
fn revised(program: &Program, from: &str, change: impl FnOnce(&mut Rules)) -> Program {
    let mut revisions = program.revisions().to_vec();
    let mut rules = program.latest().clone();
    change(&mut rules);
    let number = i64::try_from(revisions.len()).unwrap() + 1;
    revisions.push(Revision { number, effective_from: at(from), rules });
    Program::new(
        program.name.clone(),
        program.currency,
        program.time_zone,
        program.start_date,
        program.grace_days,
        revisions,
        vec![],
    )
    .unwrap()
}

fn told(fold: &mut Fold, order: CompletedOrder) -> Vec<Outcome> {
    let history = History { orders: vec![order], points: vec![] };
    history.facts().unwrap().iter().map(|fact| fold.tell(fact).unwrap()).collect()
}

#[test]
fn what_counts_begins_with_the_programs_start_and_with_the_enrolment() {
    let program = vip(TierRetention::Permanent, ProgressReset::Never);
    let joining = Joining { joined_at: Some(at("2024-03-01T00:00:00Z")), ..JOINED };
    let mut fold = Fold::resume(&program, joining, State::default());
    let mut why = |placed_at: &str, completed_at: &str| {
        let order = order(completed_at, completed_at, 100);
        told(&mut fold, CompletedOrder { placed_at: at(placed_at), ..order })[0].uncounted
    };
    let (start, late) = ("2024-01-01T00:00:00Z", "2024-02-29T23:59:59.999999Z");
    assert_eq!(why(start, late), Some(Uncounted::BeforeEnrolment));
    assert_eq!(why(start, "2024-03-01T00:00:00Z"), None);
    let too_early = why("2023-12-31T23:59:59.999999Z", "2024-03-02T00:00:00Z");
    assert_eq!(too_early, Some(Uncounted::BeforeProgramStart));
}

#[test]
fn a_refund_takes_progress_only_of_an_order_that_counted_in_the_open_period() {
    let program = vip(TierRetention::ResetEachPeriod, ProgressReset::CalendarYear);
    let program = paused(&program, "2024-06-01T00:00:00Z", Some("2024-07-01T00:00:00Z"));
    let why = |completed_at: &str| {
        let mut fold = Fold::resume(&program, JOINED, State::default());
        let id = RefundId::parse("r1").unwrap();
        let refund = Refund { id, refunded_at: at("2025-02-01T00:00:00Z"), amount: 1 };
        let order = order("o1", completed_at, 100);
        told(&mut fold, CompletedOrder { refunds: vec![refund], ..order })[1].uncounted
    };
    assert_eq!(why("2024-06-01T00:00:00Z"), Some(Uncounted::OrderNotCounted));
    assert_eq!(why("2024-12-31T23:59:59.999999Z"), Some(Uncounted::OrderOfEarlierPeriod));
    assert_eq!(why("2025-01-01T00:00:00Z"), None);
}

#[test]
fn a_refund_takes_back_points_by_the_tier_held_before_the_order() {
    let by_tier = |rules: &mut Rules| {
        let (code, name) = (way("order"), "Order".to_owned());
        let by_tier = [(self::code("gold"), 10.into())].into();
        let earns = Earns::PerCurrencyUnit;
        rules.put_way(Way { code, name, earns, points: 1.into(), by_tier }).unwrap();
    };
    let program = vip(TierRetention::Permanent, ProgressReset::Never);
    let program = revised(&program, "2024-02-01T00:00:00Z", by_tier);
    let id = RefundId::parse("r1").unwrap();
    let refund = Refund { id, refunded_at: at("2024-06-03T00:00:00Z"), amount: 1_000 };
    let lifts = order("o1", "2024-06-01T00:00:00Z", 1_000);
    let mut fold = Fold::resume(&program, JOINED, State::default());
    // It lifts to gold, and is itself no order of who holds gold.
    let outcomes = told(&mut fold, CompletedOrder { refunds: vec![refund], ..lifts });
    let points: Vec<i64> = outcomes.iter().map(|outcome| outcome.change.points_earned).collect();
    assert_eq!(points, [10, -10]);
    let next = told(&mut fold, order("o2", "2024-06-04T00:00:00Z", 1_000));
    assert_eq!(next[0].change.points_earned, 100);
}

#[test]
fn a_threshold_lowered_below_the_progress_waits_for_a_fact_that_raises_it() {
    let program = vip(TierRetention::Permanent, ProgressReset::Never);
    let lowered = |rules: &mut Rules| {
        let mut tiers = rules.ladder.tiers().to_vec();
        tiers[2].threshold = Some(600);
        rules.ladder = Ladder::new(tiers).unwrap();
    };
    let program = revised(&program, "2024-06-01T00:00:00Z", lowered);
    let mut fold = Fold::resume(&program, JOINED, State::default());
    let mut tier = |id: &str, completed_at: &str, total| {
        told(&mut fold, order(id, completed_at, total));
        fold.state().tier.clone().unwrap().code
    };
    assert_eq!(tier("o1", "2024-05-01T00:00:00Z", 700), code("silver"));
    assert_eq!(tier("o2", "2024-06-02T00:00:00Z", 0), code("silver"));
    assert_eq!(tier("o3", "2024-06-03T00:00:00Z", 1), code("gold"));
}

#[test]
fn each_step_is_told_once() {
    let program = vip(TierRetention::Permanent, ProgressReset::Never);
    let mut fold = Fold::resume(&program, JOINED, State::default());
    let start = at("2024-01-01T00:00:00Z");
    let changed = |at, from, to, cause| Step::TierChanged { at, from, to: Some(code(to)), cause };
    fold.advance(start);
    let entered = changed(start, None, "bronze", Cause::Enrolment);
    assert_eq!(fold.take_steps(), [Step::Enrolled { at: start }, entered]);
    assert_eq!(fold.take_steps(), []);
    told(&mut fold, order("o1", "2024-06-01T00:00:00Z", 500));
    let from = Some(code("bronze"));
    let lifted = changed(at("2024-06-01T00:00:00Z"), from, "silver", Cause::Fact);
    assert_eq!(fold.take_steps(), [lifted]);
}

fn standing(program: &Program, history: &History, when: &str) -> Membership {
    let state = folded(program, JOINED, history, at(when));
    Membership::at(program, JOINED, state, &Achievements::default(), at(when))
}

#[test]
fn a_period_whose_end_a_pause_covers_ends_after_the_resumption() {
    let nothing = History::default();
    let program = vip(TierRetention::ResetEachPeriod, ProgressReset::CalendarYear);
    let period = |program: &Program, when| {
        let membership = standing(program, &nothing, when);
        assert!(!membership.permanent);
        (membership.paused, membership.period.unwrap().end)
    };
    let new_year = |year: i32| Some(at(&format!("{year}-01-01T00:00:00Z")));
    assert_eq!(period(&program, "2024-12-20T00:00:00Z"), (false, new_year(2025)));
    let resumed = paused(&program, "2024-12-15T00:00:00Z", Some("2025-03-01T00:00:00Z"));
    assert_eq!(period(&resumed, "2024-12-10T00:00:00Z"), (false, new_year(2026)));
    assert_eq!(period(&resumed, "2024-12-20T00:00:00Z"), (true, new_year(2026)));
    assert_eq!(period(&resumed, "2025-03-01T00:00:00Z"), (false, new_year(2026)));
    // Nobody knows yet when a pause is over.
    let open = paused(&program, "2024-12-15T00:00:00Z", None);
    assert_eq!(period(&open, "2024-12-20T00:00:00Z"), (true, None));
}

#[test]
fn the_next_order_lifts_where_it_is_the_last_one_or_the_threshold_is_reached_already() {
    let rules = |method, threshold: i64, rate: i64| {
        move |rules: &mut Rules| {
            rules.entry_method = method;
            rules.points_per_unit = rate.into();
            let mut tiers = rules.ladder.tiers().to_vec();
            tiers.truncate(2);
            tiers[1].threshold = Some(threshold);
            rules.ladder = Ladder::new(tiers).unwrap();
        }
    };
    // After an order that reached nothing, silver is lowered.
    let next = |method, threshold, rate, total| {
        let program = vip(TierRetention::Permanent, ProgressReset::Never);
        let program = revised(&program, "2024-02-01T00:00:00Z", rules(method, 1_000_000, 1));
        let program = revised(&program, "2024-07-01T00:00:00Z", rules(method, threshold, rate));
        let orders = vec![order("o1", "2024-06-01T00:00:00Z", total)];
        let history = History { orders, points: vec![] };
        let next = standing(&program, &history, "2024-08-01T00:00:00Z").next_tier.unwrap();
        (next.remaining, next.next_order_lifts)
    };
    use EntryMethod::{AmountSpent, OrdersPlaced, PointsEarned};
    assert_eq!(next(AmountSpent, 700, 1, 699), (1, false));
    assert_eq!(next(AmountSpent, 700, 1, 700), (0, true));
    assert_eq!(next(OrdersPlaced, 3, 1, 100), (2, false));
    assert_eq!(next(OrdersPlaced, 2, 1, 100), (1, true));
    assert_eq!(next(PointsEarned, 8, 1, 700), (1, false));
    assert_eq!(next(PointsEarned, 7, 1, 700), (0, true));
    // Where orders earn no points, none lifts.
    assert_eq!(next(PointsEarned, 7, 0, 700), (0, false));
}

#[test]
fn a_tier_achieved_twice_is_kept_from_the_first_time_on_and_again_after_a_fall() {
    let program = vip(TierRetention::Permanent, ProgressReset::Never);
    let mut achieved = Achievements::default();
    let mut record = |program: &Program, to: &str, when: &str, fell_at: Option<&str>| {
        let (from, to, cause) = (None, Some(code(to)), Cause::Fact);
        let step = Step::TierChanged { at: at(when), from, to, cause };
        let state = State { fell_at: fell_at.map(at), ..State::default() };
        achieved.record(program, &state, &[step]);
        let all = achieved.0.iter().map(|a| (a.code.to_string(), a.reached_at));
        all.collect::<Vec<_>>()
    };
    let is = |code: &str, when: &str| (code.to_owned(), at(when));
    let (march, june, july) =
        ("2024-03-01T00:00:00Z", "2024-06-01T00:00:00Z", "2024-07-01T00:00:00Z");
    assert_eq!(record(&program, "gold", june, None), [is("gold", june)]);
    assert_eq!(record(&program, "gold", march, None), [is("gold", march)]);
    assert_eq!(record(&program, "gold", july, None), [is("gold", march)]);
    let both = [is("gold", march), is("silver", june)];
    assert_eq!(record(&program, "silver", june, None), both);
    // A fall at the instant itself comes before it.
    let fallen = [is("gold", march), is("silver", june), is("gold", july)];
    assert_eq!(record(&program, "gold", july, Some(july)), fallen);
    // Where a period's end takes tiers away, none is kept.
    let reset = vip(TierRetention::ResetEachPeriod, ProgressReset::CalendarYear);
    assert_eq!(record(&reset, "silver", march, None), fallen);
}

#[test]
fn the_higher_of_the_folds_tier_and_the_achieved_is_held_and_of_one_tier_the_earlier() {
    let ladder = &vip(TierRetention::Permanent, ProgressReset::Never).latest().ladder.clone();
    let (march, june, july) =
        (at("2024-03-01T00:00:00Z"), at("2024-06-01T00:00:00Z"), at("2024-07-01T00:00:00Z"));
    let held = |folded: (&str, Instant), achieved: (&str, Instant), when| {
        let (tier, since) = folded;
        let tier = Some(Held { code: code(tier), since });
        let achieved = vec![Achievement { code: code(achieved.0), reached_at: achieved.1 }];
        let held =
            Achievements(achieved).tier_at(ladder, &State { tier, ..State::default() }, when);
        held.map(|held| (held.code.to_string(), held.since))
    };
    let is = |code: &str, since| Some((code.to_owned(), since));
    assert_eq!(held(("gold", june), ("silver", march), july), is("gold", june));
    assert_eq!(held(("silver", june), ("gold", march), july), is("gold", march));
    assert_eq!(held(("gold", june), ("gold", march), july), is("gold", march));
    assert_eq!(held(("gold", march), ("gold", june), july), is("gold", march));
    // What is achieved at an instant is held from it on.
    assert_eq!(held(("silver", march), ("gold", june), june), is("gold", june));
    assert_eq!(held(("silver", march), ("gold", july), june), is("silver", march));
}
