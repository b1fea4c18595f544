//! Wiring: the HTTP server over a database.

use crate::api::tokens::Verifier;
use crate::api::{document, routes, unknown_route};
use crate::db::Db;
use crate::workflow::{credits, events, idempotency, qualification, recalculation};
use actix_web::dev::{Server, Service};
use actix_web::http::header;
use actix_web::{App, HttpResponse, HttpServer, web};
use std::net::TcpListener;
use tracing::Instrument;
use utoipa_actix_web::AppExt;

/// Threads of each worker that wait for the database: few are faster than many.
const BLOCKING_THREADS_PER_WORKER: usize = 16;

/// A server that listens already and serves once it is awaited, and the work
/// of its background, which ends when the handle is aborted.
///
/// # Errors
/// Where the listener can't be used.
pub fn serve(
    db: Db,
    verifier: Verifier,
    listener: TcpListener,
    workers: usize,
) -> std::io::Result<Server> {
    let openapi = document();
    let document = openapi.to_pretty_json().map_err(std::io::Error::other)?;
    let verifier = web::Data::new(verifier);
    let server = HttpServer::new(move || {
        let document = document.clone();
        let openapi_json = move || {
            let document = document.clone();
            async move { HttpResponse::Ok().content_type("application/json").body(document) }
        };
        App::new()
            .app_data(web::Data::new(db.clone()))
            .app_data(verifier.clone())
            .into_utoipa_app()
            .configure(routes)
            .into_app()
            .route("/openapi.json", web::get().to(openapi_json))
            .service(web::redirect("/docs", "/docs/"))
            .service(
                utoipa_swagger_ui::SwaggerUi::new("/docs/{_:.*}")
                    .url("/docs/openapi.json", openapi.clone()),
            )
            .default_service(web::to(unknown_route))
            .wrap_fn(|request, service| {
                let span = tracing::info_span!(
                    "request",
                    method = %request.method(),
                    path = request.path(),
                    status = tracing::field::Empty,
                );
                let started = std::time::Instant::now();
                let answer = service.call(request).instrument(span.clone());
                async move {
                    let mut response = answer.await?;
                    let headers = response.headers_mut();
                    headers.insert(
                        header::X_CONTENT_TYPE_OPTIONS,
                        header::HeaderValue::from_static("nosniff"),
                    );
                    if !headers.contains_key(header::CACHE_CONTROL) {
                        headers.insert(
                            header::CACHE_CONTROL,
                            header::HeaderValue::from_static("no-store"),
                        );
                    }
                    span.record("status", response.status().as_u16());
                    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                    span.in_scope(|| tracing::info!(duration_us = micros, "answered"));
                    Ok(response)
                }
            })
    })
    .workers(workers.max(1))
    .worker_max_blocking_threads(BLOCKING_THREADS_PER_WORKER)
    .shutdown_timeout(30)
    .listen(listener)?;
    Ok(server.run())
}

/// Begins the work of the background on this thread's runtime.
pub fn start_background(db: &Db) -> actix_web::rt::task::JoinHandle<()> {
    let of_time = recalculation::work(db.clone());
    let of_rules = qualification::work(db.clone());
    let of_events = events::work(db.clone());
    let of_credits = credits::work(db.clone());
    let of_answers = idempotency::work(db.clone());
    actix_web::rt::spawn(async move {
        futures_util::future::join5(of_time, of_rules, of_events, of_credits, of_answers).await;
    })
}
