//! Wiring: the HTTP server over a database.

use crate::api::docs::Docs;
use crate::api::envelope::envelope;
use crate::api::instance::Instance;
use crate::api::tokens::Verifier;
use crate::api::{routes, unknown_route};
use crate::db::Db;
use crate::workflow::{credits, events, idempotency, qualification, recalculation};
use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use futures_util::future::{Either, join5, select};
use std::net::TcpListener;
use std::pin::pin;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use utoipa_actix_web::AppExt;

/// Threads of each worker that wait for the database: few are faster than many.
const BLOCKING_THREADS_PER_WORKER: usize = 16;
/// How long a connection's first request may take to say what it wants.
const HEAD_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a connection is kept for another request: longer than the minute
/// after which load balancers let go of it, so that it is never the service
/// that closes while a request is on its way.
const IDLE_TIME_MAX: Duration = Duration::from_secs(75);
/// How long a client may take to close a connection that is over.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);
/// How long a client may take none of what was sent to it.
const UNREAD_TIME_MAX: Duration = Duration::from_secs(30);
/// How long requests in hand may take when the service ends, in seconds.
const SHUTDOWN_SECONDS_MAX: u64 = 30;

/// How much an instance takes on.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Threads that serve requests.
    pub workers: usize,
    /// Connections at once: those beyond wait to be taken up.
    pub connections_max: usize,
}

/// A server that listens already and serves once it is awaited. It minds no
/// signals: see [`run`].
///
/// # Errors
/// Where the listener can't be used.
pub fn serve(
    db: Db,
    verifier: Verifier,
    listener: TcpListener,
    size: Size,
    instance: web::Data<Instance>,
) -> std::io::Result<Server> {
    limit_unread(&listener)?;
    let docs = Docs::new().map_err(std::io::Error::other)?;
    let verifier = web::Data::new(verifier);
    let workers = size.workers.max(1);
    let server = HttpServer::new(move || {
        let docs = docs.clone();
        App::new()
            .app_data(web::Data::new(db.clone()))
            .app_data(verifier.clone())
            .app_data(instance.clone())
            .into_utoipa_app()
            .configure(routes)
            .into_app()
            .configure(|config| docs.routes(config))
            .default_service(web::to(unknown_route))
            .wrap(from_fn(envelope))
    })
    .workers(workers)
    .worker_max_blocking_threads(BLOCKING_THREADS_PER_WORKER)
    .max_connections(size.connections_max.div_ceil(workers).max(1))
    .client_request_timeout(HEAD_TIME_MAX)
    .client_disconnect_timeout(CLOSE_TIME_MAX)
    .keep_alive(IDLE_TIME_MAX)
    .shutdown_timeout(SHUTDOWN_SECONDS_MAX)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}

/// Has connections ended whose client takes nothing of what was sent to it, or
/// is gone: they are accepted with what is set for the listener. Elsewhere they
/// last as long as the system lets them.
fn limit_unread(listener: &TcpListener) -> std::io::Result<()> {
    let socket = socket2::SockRef::from(listener);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(UNREAD_TIME_MAX))?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    drop((socket, UNREAD_TIME_MAX));
    Ok(())
}

/// Begins the work of the background on this thread's runtime. It ends when the
/// handle is aborted: between two transactions, since it waits nowhere else.
pub fn start_background(
    db: &Db,
    instance: &web::Data<Instance>,
) -> actix_web::rt::task::JoinHandle<()> {
    let (db, instance) = (db.clone(), instance.clone());
    actix_web::rt::spawn(async move {
        let background = &instance.background;
        join5(
            recalculation::work(db.clone(), background),
            qualification::work(db.clone(), &background.rules),
            events::work(db.clone(), &background.events),
            credits::work(db.clone(), &background.credit),
            idempotency::work(db.clone(), &background.answers),
        )
        .await;
    })
}

/// The signals that end the service, listened to from when this is made.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen; a signal ends the process by itself no more.
    ///
    /// # Errors
    /// Where the system does not let us.
    pub fn listen() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one; whether whoever sent it is in no hurry (SIGTERM,
    /// not Ctrl-C).
    async fn next(&mut self) -> bool {
        let (terminate, interrupt) = (pin!(self.terminate.recv()), pin!(self.interrupt.recv()));
        matches!(select(terminate, interrupt).await, Either::Left(_))
    }
}

/// Serves until a signal comes, and lets requests in hand be finished. After
/// SIGTERM the service first goes on for a while and only says that it is not
/// ready, so that nobody sends it more; another signal cuts that short, and one
/// more ends it at once.
///
/// # Errors
/// Where the server fails, or had to leave requests unanswered.
pub async fn run(
    server: Server,
    mut signals: Signals,
    instance: &Instance,
    drain: Duration,
) -> std::io::Result<()> {
    let handle = server.handle();
    let stop = pin!(async {
        let is_patient = signals.next().await;
        instance.drain();
        tracing::info!("draining");
        if is_patient {
            tokio::time::timeout(drain, signals.next()).await.ok();
        }
        drop(handle.stop(true));
        signals.next().await
    });
    match select(server, stop).await {
        Either::Left((served, _)) => served,
        Either::Right(_) => Err(std::io::Error::other("another signal did not let it finish")),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn connections_are_accepted_with_the_limit_of_their_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        limit_unread(&listener).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let limit = socket2::SockRef::from(&accepted).tcp_user_timeout().unwrap();
        assert_eq!(limit, Some(UNREAD_TIME_MAX));
    }
}
