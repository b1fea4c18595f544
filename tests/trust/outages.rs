//! PostgreSQL goes and comes back under load: stopped as by a crash or by an
//! administrator, cut off, or silent.

use super::cluster::Cluster;
use super::proxy::Proxy;
use super::service::{Client, Home, Service};
use super::shopper::Load;
use super::{Trial, some_millis, times, wait_until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const SHOPPERS: usize = 6;
/// Within which readiness has to say what is.
const NOTICED_WITHIN: Duration = Duration::from_secs(1);
/// Within which everybody is served once the database is back.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// A probe, and what it was answered.
struct Probe {
    sent: Instant,
    took: Duration,
    status: Option<u16>,
}

/// Somebody who asks a path over and over, as an orchestrator does.
struct Watch {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Probe>>,
}

impl Watch {
    fn begin(service: &Service<'_>, path: &'static str) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = is_over.clone();
        let client = Client::new(&service.base, None, Duration::from_secs(10));
        let thread = std::thread::spawn(move || {
            let mut probes = Vec::new();
            while !ends.load(Ordering::SeqCst) {
                let sent = Instant::now();
                let status = client.ask("GET", path, None).map(|answer| answer.status);
                probes.push(Probe { sent, took: sent.elapsed(), status });
                std::thread::sleep(Duration::from_millis(25));
            }
            probes
        });
        Self { is_over, thread }
    }

    fn end(self) -> Vec<Probe> {
        self.is_over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// When the database began to go, when it was gone, and when it began to come
/// back.
struct Outage {
    from: Instant,
    gone: Instant,
    to: Instant,
}

/// Has the database go and come back under load, and looks at everything.
/// `go` takes it away, and `come` brings it back and answers when it was.
fn outlast(
    name: &str,
    home: &Home,
    rounds: u32,
    go: impl Fn(u32),
    come: impl Fn(u32) -> Instant,
    lasts: impl Fn(u32) -> Duration,
) {
    let service = home.serve();
    service.set_up();
    let lives = Watch::begin(&service, "/healthz");
    let readies = Watch::begin(&service, "/readyz");
    let load = Load::begin(&service, "s", SHOPPERS);
    let is_ready = || {
        let client = Client::new(&service.base, None, Duration::from_secs(10));
        client.ask("GET", "/readyz", None).is_some_and(|answer| answer.status == 200)
    };
    let (mut outages, mut slowest) = (Vec::new(), Duration::ZERO);
    for round in 0..rounds {
        std::thread::sleep(Duration::from_millis(300) + some_millis(500));
        let from = Instant::now();
        go(round);
        let gone = Instant::now();
        std::thread::sleep(lasts(round));
        let to = Instant::now();
        let back = come(round);
        wait_until("everybody is served again", BACK_WITHIN, || {
            load.has_moved_since(back) && is_ready()
        });
        let recovered = Instant::now();
        slowest = slowest.max(recovered.duration_since(back));
        // What broke does not turn up later, one connection at a time.
        std::thread::sleep(Duration::from_millis(500));
        assert!(
            !load.has_failed_since(recovered),
            "round {round}: a write fails after all is well"
        );
        outages.push(Outage { from, gone, to });
    }
    let (failed, statuses) = (load.failed(), load.statuses());
    let mut shoppers = load.end();
    let (lives, readies) = (lives.end(), readies.end());

    assert!(statuses.iter().all(|status| *status == 503), "writes were answered {statuses:?}");
    for probe in &lives {
        let took = probe.took;
        assert!(probe.status == Some(200) && took < NOTICED_WITHIN, "{:?} {took:?}", probe.status);
    }
    for probe in &readies {
        assert!(probe.took < NOTICED_WITHIN, "readiness took {:?}", probe.took);
    }
    let mut latest = Duration::ZERO;
    for outage in &outages {
        let is_meanwhile =
            |probe: &&Probe| probe.sent > outage.gone && probe.sent + NOTICED_WITHIN < outage.to;
        let meanwhile: Vec<&Probe> = readies.iter().filter(is_meanwhile).collect();
        let lasted = outage.to.duration_since(outage.gone);
        assert!(lasted < NOTICED_WITHIN || !meanwhile.is_empty(), "nobody asked for readiness");
        for probe in &meanwhile {
            assert_eq!(probe.status, Some(503));
        }
        if lasted >= NOTICED_WITHIN {
            // The one that noticed may have been asked before.
            let noticed = readies.iter().filter(|probe| probe.status == Some(503));
            let noticed = noticed.map(|probe| probe.sent + probe.took);
            let first = noticed.filter(|at| *at > outage.from).min().unwrap();
            latest = latest.max(first.duration_since(outage.from));
        }
    }
    assert!(latest < NOTICED_WITHIN, "readiness said so after {latest:?}");

    home.wait_for_orphans();
    let client = service.client("storefront");
    for shopper in &mut shoppers {
        shopper.settle(&client);
        shopper.check(&client);
    }
    home.assert_sound();
    service.assert_nobody_would_change();
    let acknowledged: usize = shoppers.iter().map(super::shopper::Shopper::acknowledged).sum();
    eprintln!(
        "{name}: {rounds} outages, {acknowledged} acknowledged writes, all there once, {failed} answered 503; \
         readiness said so within {latest:.0?}; the slowest return took {slowest:.0?}; \
         {} of {} probes of liveness were 200",
        lives.len(),
        lives.len(),
    );
}

fn rounds() -> u32 {
    times("TRUST_RESTARTS", 3)
}

pub fn limit() -> Duration {
    Duration::from_secs(60 + 15 * u64::from(rounds()))
}

#[test]
fn postgresql_restarts_at_once_and_nothing_acknowledged_is_lost() {
    let _trial = Trial::begin("restarts of PostgreSQL", limit());
    let cluster = Cluster::start_with(&[]);
    let home = Home::on_postgres(cluster.url());
    outlast(
        "restarts",
        &home,
        rounds(),
        // As by a crash, and by an administrator.
        |round| cluster.stop(if round % 2 == 0 { "immediate" } else { "fast" }),
        |_| {
            cluster.start();
            Instant::now()
        },
        // A look that began before may take most of a second.
        |_| Duration::from_millis(2_500),
    );
    cluster.stop("fast");
    assert_eq!(cluster.damage(), None);
}

#[test]
fn connections_are_cut_or_fall_silent_and_nothing_acknowledged_is_lost() {
    let _trial = Trial::begin("cut connections", limit());
    let home = Home::on_test_cluster();
    let (start, rest) = home.database_url.rsplit_once('@').unwrap();
    let (server, database) = rest.split_once('/').unwrap();
    let proxy = Proxy::before(server.to_owned());
    let url = format!("{start}@127.0.0.1:{}/{database}", proxy.port);
    outlast_the_way("cut connections", &Home::on_postgres(url), &proxy);
}

/// The same of the way to the database.
pub fn outlast_the_way(name: &str, through: &Home, proxy: &Proxy) {
    outlast(
        name,
        through,
        rounds(),
        |round| if round % 3 == 1 { proxy.silence() } else { proxy.cut() },
        |_| {
            proxy.open();
            Instant::now()
        },
        // Every third time they are cut, and at once may be made again.
        |round| Duration::from_millis(if round % 3 == 2 { 0 } else { 2_500 }),
    );
}
