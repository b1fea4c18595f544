//! The one writer of an SQLite database.
//!
//! It takes what waits, runs each job in a savepoint of one transaction, and
//! answers after the commit: many writes share one flush to the disk, and a
//! job that fails fails alone.

use super::programs::Cache;
use super::{Conn, Error, Result, Tx, WriterLoad};
use diesel::connection::SimpleConnection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use tokio::sync::oneshot;

/// The most jobs that share one commit.
const GROUP_MAX: usize = 512;

/// Tells the caller what came of its job, given what came of the commit.
type Deliver = Box<dyn FnOnce(Result<()>) + Send>;

struct Ran {
    is_ok: bool,
    deliver: Deliver,
}

/// Does its work, or is told why its turn never came.
type Job = Box<dyn FnOnce(Result<&mut Tx<'_>>) -> Ran + Send>;

/// The way to the writer's thread, which ends when this is dropped.
pub struct Writer {
    jobs: SyncSender<Job>,
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
    refused: AtomicU64,
}

impl Writer {
    pub fn start(mut conn: Conn, programs: Arc<Cache>, waiting_max: usize) -> Result<Self> {
        let (jobs, receiver) = sync_channel::<Job>(waiting_max);
        let waiting = Arc::new(AtomicUsize::new(0));
        let taken = waiting.clone();
        std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || run(&mut conn, &programs, &receiver, &taken))
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Self { jobs, waiting, waiting_max, refused: AtomicU64::new(0) })
    }

    pub fn load(&self) -> WriterLoad {
        WriterLoad {
            waiting: self.waiting.load(Relaxed),
            waiting_max: self.waiting_max,
            refused: self.refused.load(Relaxed),
        }
    }

    pub async fn write<T, E>(
        &self,
        job: impl FnOnce(&mut Tx<'_>) -> std::result::Result<T, E> + Send + 'static,
    ) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let span = tracing::Span::current();
        let job: Job = Box::new(move |tx| {
            let answer = span.in_scope(|| tx.map_err(E::from).and_then(job));
            let is_ok = answer.is_ok();
            let deliver: Deliver = Box::new(move |committed| {
                let answer = match (answer, committed) {
                    (Ok(_), Err(error)) => Err(error.into()),
                    (answer, _) => answer,
                };
                // A caller that has gone away asks for no answer.
                drop(sender.send(answer));
            });
            Ran { is_ok, deliver }
        });
        // Counted before it is sent, so that the count never falls below zero.
        self.waiting.fetch_add(1, Relaxed);
        self.jobs.try_send(job).map_err(|error| {
            self.waiting.fetch_sub(1, Relaxed);
            match error {
                TrySendError::Full(_) => {
                    self.refused.fetch_add(1, Relaxed);
                    Error::Overloaded
                }
                TrySendError::Disconnected(_) => {
                    Error::Unavailable("the writer has ended".to_owned())
                }
            }
        })?;
        match receiver.await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Failed("the write was abandoned".to_owned()).into()),
        }
    }
}

fn run(conn: &mut Conn, programs: &Cache, jobs: &Receiver<Job>, waiting: &AtomicUsize) {
    while let Ok(first) = jobs.recv() {
        let group = std::iter::once(first).chain(jobs.try_iter().take(GROUP_MAX.saturating_sub(1)));
        let group: Vec<Job> = group.collect();
        waiting.fetch_sub(group.len(), Relaxed);
        let mut delivers = Vec::new();
        let committed = run_group(conn, programs, group, &mut delivers);
        if committed.is_err() {
            // Harmless where the transaction is gone already.
            drop(conn.batch_execute("ROLLBACK"));
        }
        for deliver in delivers {
            deliver(committed.clone());
        }
    }
}

fn run_group(
    conn: &mut Conn,
    programs: &Cache,
    group: Vec<Job>,
    delivers: &mut Vec<Deliver>,
) -> Result<()> {
    let mut lost = conn.batch_execute("BEGIN IMMEDIATE").map_err(Error::from);
    for job in group {
        match &lost {
            Ok(()) => lost = run_job(conn, programs, job, delivers),
            Err(error) => delivers.push(job(Err(error.clone())).deliver),
        }
    }
    lost?;
    Ok(conn.batch_execute("COMMIT")?)
}

fn run_job(conn: &mut Conn, programs: &Cache, job: Job, delivers: &mut Vec<Deliver>) -> Result<()> {
    conn.batch_execute("SAVEPOINT job")?;
    // A job that panics drops its sender, so its caller hears of it; the
    // writer goes on with the others.
    let ran = catch_unwind(AssertUnwindSafe(|| job(Ok(&mut Tx { conn, programs }))));
    let is_ok = ran.as_ref().is_ok_and(|ran| ran.is_ok);
    if let Ok(ran) = ran {
        delivers.push(ran.deliver);
    }
    if !is_ok {
        // SQLite has undone the whole transaction by itself where the disk is
        // full or fails.
        let undone = conn.batch_execute("ROLLBACK TO job");
        undone.map_err(|error| Error::Unavailable(error.to_string()))?;
    }
    Ok(conn.batch_execute("RELEASE job")?)
}
