//! Figures of an instance, as Prometheus reads them.
//!
//! One histogram is kept, and all else is read off where it is known when
//! somebody asks, so a library would have little to do here.

use super::extract::NoQuery;
use super::instance::Instance;
use super::problem::{Code, problems};
use crate::db::{self, Db, events};
use crate::domain::Instant;
use actix_web::{HttpResponse, get, web};
use chrono::Utc;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The upper bounds of the histogram's buckets, in microseconds and as they are
/// written: from a look-up to a large report.
const BUCKETS: [(u128, &str); 14] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
];
/// How long the figures that are in the database are waited for.
const DATABASE_WAIT: Duration = Duration::from_millis(500);

/// How long requests took, by what they were and what was answered.
#[derive(Debug, Default)]
pub struct Requests(RwLock<BTreeMap<Kind, Arc<Histogram>>>);

/// Requests of one kind: there are only so many, whoever calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Default)]
struct Histogram {
    /// Those in each bucket alone, and the last those beyond all buckets.
    counts: [AtomicU64; BUCKETS.len() + 1],
    sum_micros: AtomicU64,
}

impl Requests {
    /// Counts a request that was answered.
    pub fn observe(&self, method: &'static str, route: String, status: u16, took: Duration) {
        let kind = Kind { method, route, status };
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&kind).cloned();
        let histogram = known.unwrap_or_else(|| {
            let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
            all.entry(kind).or_default().clone()
        });
        histogram.observe(took);
    }

    fn write(&self, page: &mut Page) {
        let name = "http_server_request_duration_seconds";
        page.family(name, "histogram", "How long requests took until their answer began.");
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for (Kind { method, route, status }, histogram) in all.iter() {
            let labels = format!(
                "http_request_method=\"{method}\",http_route=\"{route}\",http_response_status_code=\"{status}\""
            );
            histogram.write(page, name, &labels);
        }
    }
}

impl Histogram {
    fn observe(&self, took: Duration) {
        let micros = took.as_micros();
        let bounds = BUCKETS.iter().map(|(bound, _)| micros <= *bound).chain([true]);
        let found = self.counts.iter().zip(bounds).find(|(_, holds)| *holds);
        if let Some((count, _)) = found {
            count.fetch_add(1, Relaxed);
        }
        self.sum_micros.fetch_add(u64::try_from(micros).unwrap_or(u64::MAX), Relaxed);
    }

    fn write(&self, page: &mut Page, name: &str, labels: &str) {
        let mut through = 0_u64;
        let bounds = BUCKETS.iter().map(|(_, written)| *written).chain(["+Inf"]);
        for (count, bound) in self.counts.iter().zip(bounds) {
            through = through.saturating_add(count.load(Relaxed));
            page.sample(&format!("{name}_bucket{{{labels},le=\"{bound}\"}}"), through);
        }
        let sum = Duration::from_micros(self.sum_micros.load(Relaxed)).as_secs_f64();
        page.sample(&format!("{name}_sum{{{labels}}}"), sum);
        page.sample(&format!("{name}_count{{{labels}}}"), through);
    }
}

/// A page in Prometheus's text format. No label has anything to escape.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, series: &str, value: impl std::fmt::Display) {
        self.0.push_str(&format!("{series} {value}\n"));
    }

    /// A family of one.
    fn figure(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, value);
    }
}

fn page(instance: &Instance, load: db::Load, waiting: Option<events::Waiting>) -> String {
    let mut page = Page::default();
    instance.requests.write(&mut page);
    let (gauge, counter) = ("gauge", "counter");
    page.figure(
        "http_server_active_requests",
        gauge,
        "Requests in hand, this one included.",
        instance.in_flight(),
    );
    page.figure(
        "accolade_requests_refused_total",
        counter,
        "Requests that were refused because too many, or too many batches, were in hand.",
        instance.refused(),
    );
    let name = "accolade_database_connections";
    page.family(name, gauge, "Connections of the pool.");
    page.sample(&format!("{name}{{state=\"in_use\"}}"), load.connections_in_use);
    page.sample(&format!("{name}{{state=\"idle\"}}"), load.connections_idle);
    page.figure(
        "accolade_database_connections_max",
        gauge,
        "Connections that the pool may have.",
        load.connections_max,
    );
    page.figure(
        "accolade_database_refused_total",
        counter,
        "How often no connection was to be had in time.",
        load.refused,
    );
    if let Some(writer) = load.writer {
        page.figure(
            "accolade_writer_queue_length",
            gauge,
            "Writes that wait for SQLite's writer.",
            writer.waiting,
        );
        page.figure(
            "accolade_writer_queue_max",
            gauge,
            "Writes that may wait for SQLite's writer.",
            writer.waiting_max,
        );
        page.figure(
            "accolade_writer_refused_total",
            counter,
            "Writes that were refused because too many waited.",
            writer.refused,
        );
    }
    if let Some(waiting) = waiting {
        page.figure(
            "accolade_events_waiting",
            gauge,
            "Events that are stored and not yet in the feed.",
            waiting.count,
        );
        let now = Utc::now().timestamp();
        let age = |since: Instant| now.saturating_sub(since.timestamp()).max(0);
        page.figure(
            "accolade_events_waiting_seconds",
            gauge,
            "How long the first of them has waited.",
            waiting.since.map_or(0, age),
        );
    }
    let name = "accolade_background_success_timestamp_seconds";
    page.family(name, gauge, "When a worker's round last went well; 0 where none has yet.");
    for (worker, state) in instance.background.workers() {
        page.sample(&format!("{name}{{worker=\"{worker}\"}}"), state.succeeded_at());
    }
    let name = "accolade_background_failures_total";
    page.family(name, counter, "Rounds of a worker that failed.");
    for (worker, state) in instance.background.workers() {
        page.sample(&format!("{name}{{worker=\"{worker}\"}}"), state.failures());
    }
    page.figure(
        "process_start_time_seconds",
        gauge,
        "When the process began, in seconds since 1970.",
        instance.started_at,
    );
    let name = "accolade_build_info";
    page.family(name, gauge, "The version that runs.");
    page.sample(&format!("{name}{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1);
    page.0
}

problems!(MetricsProblems: &[Code::InvalidRequest]);

/// Figures of this instance, for Prometheus.
///
/// In its text format. What is read from the database is left out while that
/// does not answer; no identifier is in it. It wants no token: keep it off the
/// public net.
#[utoipa::path(
    tag = "Operation",
    operation_id = "get_metrics",
    security(()),
    responses(
        (status = 200, description = "The figures, in Prometheus's text format.", body = String, content_type = "text/plain"),
        MetricsProblems,
    ),
)]
#[get("/metrics")]
pub async fn get_metrics(
    _: NoQuery,
    db: web::Data<Db>,
    instance: web::Data<Instance>,
) -> HttpResponse {
    // Where the database does not answer, the other figures matter the more.
    let waiting = tokio::time::timeout(DATABASE_WAIT, db.read_once(events::waiting)).await;
    let waiting = waiting.ok().and_then(Result::ok);
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(page(
        &instance,
        db.load(),
        waiting,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_in_its_bucket_and_in_all_above_it() {
        let requests = Requests::default();
        for micros in [500, 501, 99_000, 10_000_001] {
            requests.observe("GET", "/v1/x/{id}".to_owned(), 200, Duration::from_micros(micros));
        }
        let mut page = Page::default();
        requests.write(&mut page);
        let labels = "http_request_method=\"GET\",http_route=\"/v1/x/{id}\",http_response_status_code=\"200\"";
        for (bound, count) in
            [("0.0005", 1), ("0.001", 2), ("0.05", 2), ("0.1", 3), ("10", 3), ("+Inf", 4)]
        {
            let line = format!("_bucket{{{labels},le=\"{bound}\"}} {count}\n");
            assert!(page.0.contains(&line), "{line} is not in\n{}", page.0);
        }
        assert!(page.0.contains(&format!("_sum{{{labels}}} 10.100002\n")), "{}", page.0);
        assert!(page.0.contains(&format!("_count{{{labels}}} 4\n")), "{}", page.0);
    }
}
