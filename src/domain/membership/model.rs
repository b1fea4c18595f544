//! A second, naive membership, for the tests: it keeps no running totals but
//! adds everything up afresh at each instant, and finds boundaries by counting
//! from the anchor. Slow, and written to be checked by eye against the design.

use super::{Figures, Joining};
use crate::domain::fact::{History, Worth};
use crate::domain::id::TierCode;
use crate::domain::period::{Anchor, ProgressReset};
use crate::domain::program::{Program, Rules, TierRetention};
use crate::domain::{Instant, calendar};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Naive {
    pub enrolled_at: Option<Instant>,
    pub tier: Option<(TierCode, Instant)>,
    pub period: Option<(Instant, Option<Instant>)>,
    pub progress: Figures,
    pub lifetime: Figures,
    first_tier_at: Option<Instant>,
    reached_top: bool,
    /// The tier before each fact, by kind and identifier.
    held: BTreeMap<(u8, String), Option<TierCode>>,
}

/// What the orders completed in `[since, until]` are worth by the refunds
/// given until then, and the points of that time.
fn total(
    program: &Program,
    history: &History,
    since: Option<Instant>,
    until: (Instant, u8, &str),
    held: &BTreeMap<(u8, String), Option<TierCode>>,
    counts: impl Fn(Instant, Instant) -> bool,
) -> Figures {
    let mut sum = Figures::default();
    let held = |kind: u8, id: &str| held[&(kind, id.to_owned())].as_ref();
    let told = |at: Instant, kind: u8, id: &str| (at, kind, id) <= until && Some(at) >= since;
    for order in &history.orders {
        if told(order.completed_at, 0, order.id.as_str())
            && counts(order.placed_at, order.completed_at)
        {
            let mut net = order.total;
            for refund in &order.refunds {
                if refund.refunded_at <= order.completed_at
                    || (refund.refunded_at, 1, refund.id.as_str()) <= until
                {
                    net -= refund.amount;
                }
            }
            let rules = program.rules_at(order.completed_at);
            let rate = rules.points_per_unit_of(held(0, order.id.as_str()));
            sum.amount_spent += net;
            sum.orders_placed += i64::from(net > 0 || order.total == 0);
            sum.points_earned +=
                crate::domain::money::points_for(net, program.currency, rate).unwrap();
        }
    }
    for points in &history.points {
        if told(points.occurred_at, 2, points.id.as_str())
            && counts(points.occurred_at, points.occurred_at)
        {
            let rules = program.rules_at(points.occurred_at);
            sum.points_earned += match &points.worth {
                Worth::Points(points) => *points,
                Worth::Event(way) => {
                    let points = rules.points_of_event(way, held(2, points.id.as_str()));
                    points.try_into().unwrap()
                }
            };
        }
    }
    sum
}

fn first_boundary_after(
    program: &Program,
    rules: &Rules,
    me: &Naive,
    after: Instant,
) -> Option<Instant> {
    let zone = program.time_zone;
    let date = |at: Instant| calendar::local_date(zone, at).unwrap();
    let (anchor, months) = match rules.progress_reset {
        ProgressReset::Never => return None,
        ProgressReset::CalendarYear => ("1950-01-01".parse().unwrap(), 12),
        ProgressReset::Rolling { months, anchor: Anchor::Enrolment } => {
            (date(me.enrolled_at?), months)
        }
        ProgressReset::Rolling { months, anchor: Anchor::FirstTier } => {
            (date(me.first_tier_at?), months)
        }
        ProgressReset::Rolling { months, anchor: Anchor::ProgramStart } => {
            (program.start_date, months)
        }
    };
    (1..10_000)
        .map(|k| {
            calendar::midnight(zone, calendar::months_after(anchor, months, k).unwrap()).unwrap()
        })
        .find(|boundary| *boundary > after)
}

fn give(me: &mut Naive, code: TierCode, at: Instant) {
    me.tier = Some((code, at));
    me.first_tier_at = me.first_tier_at.or(Some(at));
}

fn give_entry(me: &mut Naive, rules: &Rules, at: Instant) {
    if let (None, Some(entry)) = (&me.tier, rules.ladder.entry()) {
        give(me, entry.code.clone(), at);
    }
}

pub fn membership(program: &Program, joining: Joining, history: &History, at: Instant) -> Naive {
    let facts = history.facts().unwrap();
    let found = facts.iter().find(|fact| fact.key.kind != crate::domain::fact::FactKind::Refund);
    let joined = joining.joined_at.unwrap_or_else(|| {
        found.map_or(joining.created_at, |fact| fact.key.at.min(joining.created_at))
    });
    let mut enrolment = Some(joined.max(program.start_at().unwrap()));
    for pause in program.pauses() {
        if enrolment
            .is_some_and(|at| pause.from <= at && pause.until.is_none_or(|until| at < until))
        {
            enrolment = pause.until;
        }
    }
    let resumptions: Vec<Instant> = program.pauses().iter().filter_map(|p| p.until).collect();
    let mut todo: BTreeSet<Instant> = facts.iter().map(|fact| fact.key.at).collect();
    todo.extend(program.revisions().iter().map(|r| r.effective_from));
    todo.extend(&resumptions);
    todo.extend(enrolment);
    todo.insert(at);

    let mut me = Naive::default();
    while let Some(now) = todo.pop_first().filter(|now| *now <= at) {
        let paused = program.is_paused(now);
        // Boundary.
        if let Some((_, Some(end))) = me.period
            && end == now
            && !paused
        {
            let rules = program.rules_before(now);
            if rules.tier_retention == TierRetention::ResetEachPeriod && !me.reached_top {
                let entry = rules.ladder.entry().map(|tier| tier.code.clone());
                if me.tier.as_ref().map(|(code, _)| code) != entry.as_ref() {
                    me.tier = entry.map(|code| (code, now));
                    me.first_tier_at =
                        me.first_tier_at.or(me.tier.as_ref().map(|(_, since)| *since));
                }
            }
            me.reached_top = false;
            me.period = Some((now, first_boundary_after(program, rules, &me, now)));
        }
        let rules = program.rules_at(now);
        // Resumption and revision.
        if let Some((start, end)) = me.period {
            if resumptions.contains(&now) && end.is_some_and(|end| end < now) {
                me.period = Some((start, None));
            }
            let is_news = resumptions.contains(&now)
                || program.revisions().iter().any(|r| r.effective_from == now);
            if is_news && !paused {
                give_entry(&mut me, rules, now);
            }
        }
        // Enrolment.
        if enrolment == Some(now) && me.enrolled_at.is_none() {
            me.enrolled_at = Some(now);
            me.period = Some((now, None));
            give_entry(&mut me, rules, now);
        }
        // Facts.
        let counts = |placed: Instant, completed: Instant| {
            placed >= program.start_at().unwrap()
                && enrolment.is_some_and(|enrolled| completed >= enrolled)
                && !program.is_paused(completed)
        };
        let mut last = (now, 0, "");
        for fact in facts.iter().filter(|fact| fact.key.at == now) {
            let before = me.progress;
            // A period that began just now begins at zero.
            let before = if me.period.is_some_and(|(start, _)| start == now) && last.2.is_empty() {
                Figures::default()
            } else {
                before
            };
            last = (now, fact.key.kind as u8, fact.key.id.as_str());
            let tier = me.tier.as_ref().map(|(code, _)| code.clone());
            me.held.insert((last.1, fact.key.id.clone()), tier);
            let start = me.period.map(|(start, _)| start);
            me.progress = match start {
                Some(start) => total(program, history, Some(start), last, &me.held, counts),
                None => Figures::default(),
            };
            if me.progress.of(rules.entry_method) > before.of(rules.entry_method) {
                let progress = me.progress.of(rules.entry_method);
                if let Some(reached) = rules.ladder.reached_by(progress) {
                    me.reached_top |= rules.ladder.top() == Some(reached);
                    let rank = rules.ladder.rank(me.tier.as_ref().map(|(code, _)| code));
                    if Some(reached.rank) > rank {
                        give(&mut me, reached.code.clone(), now);
                    }
                }
            }
        }
        // An open period without an end gets one as soon as there is one.
        if let Some((start, None)) = me.period {
            me.period = Some((start, first_boundary_after(program, rules, &me, now)));
        }
        let last = (now, u8::MAX, "");
        me.lifetime = total(program, history, None, last, &me.held, |_, _| true);
        me.progress = match me.period {
            Some((start, _)) => total(program, history, Some(start), last, &me.held, counts),
            None => Figures::default(),
        };
        if let Some((_, Some(end))) = me.period
            && end > now
        {
            todo.insert(end);
        }
    }
    me
}
