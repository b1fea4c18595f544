//! The OpenAPI document, and the page that shows it. Anybody may ask for them,
//! and they are large: they are in memory once, and sent in slices and for some
//! time only, so that who takes them slowly, or not at all, holds neither a copy
//! nor a connection.

use super::document;
use super::problem::{ApiError, ApiResult, Code};
use actix_web::body::SizedStream;
use actix_web::http::header::ContentEncoding;
use actix_web::{HttpResponse, HttpResponseBuilder, guard, web};
use futures_util::stream;
use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use utoipa_swagger_ui::Config;

/// How many bytes are on their way to one client at once.
const SLICE_BYTES: usize = 16 * 1024;

/// How long who takes a little now and then may go on with that.
const SENDING_TIME_MAX: Duration = Duration::from_secs(60);

/// What is served.
#[derive(Clone)]
pub struct Docs {
    document: web::Bytes,
    page: Arc<Config<'static>>,
}

impl Docs {
    /// Writes the document down.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn new() -> serde_json::Result<Self> {
        let document = document().to_pretty_json()?.into();
        Ok(Self { document, page: Arc::new(Config::new(["/docs/openapi.json"])) })
    }

    /// Puts them at their paths.
    pub fn routes(self, config: &mut web::ServiceConfig) {
        let resource = |path: &str| web::resource(path.to_owned()).guard(guard::Get());
        config
            .app_data(web::Data::new(self))
            .service(resource("/openapi.json").to(get_document))
            .service(resource("/docs/openapi.json").to(get_document))
            .service(web::redirect("/docs", "/docs/"))
            .service(resource("/docs/{file:.*}").to(get_page));
    }
}

async fn get_document(docs: web::Data<Docs>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    send(response.content_type("application/json"), docs.document.clone(), SENDING_TIME_MAX)
}

async fn get_page(docs: web::Data<Docs>, file: web::Path<String>) -> ApiResult<HttpResponse> {
    let file = utoipa_swagger_ui::serve(&file, Arc::clone(&docs.page)).map_err(|error| {
        tracing::error!(%error, "the page of the document can't be made");
        ApiError::new(Code::Internal)
    })?;
    let file = file.ok_or_else(|| ApiError::new(Code::NotFound))?;
    let mut response = HttpResponse::Ok();
    if file.gzpipped {
        response.insert_header(ContentEncoding::Gzip);
    }
    let bytes = match file.bytes {
        Cow::Borrowed(bytes) => web::Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok(send(response.content_type(file.content_type), bytes, SENDING_TIME_MAX))
}

/// Answers with bytes that are kept anyway, for so long.
fn send(response: &mut HttpResponseBuilder, bytes: web::Bytes, time: Duration) -> HttpResponse {
    let began = Instant::now();
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let slices = (0..bytes.len()).step_by(SLICE_BYTES).map(move |from| {
        let to = bytes.len().min(from.saturating_add(SLICE_BYTES));
        if began.elapsed() < time {
            Ok(bytes.slice(from..to))
        } else {
            Err(io::Error::from(io::ErrorKind::TimedOut))
        }
    });
    response.body(SizedStream::new(size, stream::iter(slices)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::MessageBody;
    use std::pin::pin;

    #[test]
    fn what_is_sent_in_slices_is_whole() {
        for size in [0, 1, SLICE_BYTES, SLICE_BYTES + 1, 5 * SLICE_BYTES - 1] {
            let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(size).collect();
            let answer = send(&mut HttpResponse::Ok(), bytes.clone().into(), SENDING_TIME_MAX);
            let mut body = pin!(answer.into_body());
            let mut sent = Vec::new();
            actix_web::rt::System::new().block_on(async {
                while let Some(slice) = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await
                {
                    let slice = slice.unwrap();
                    assert!(slice.len() <= SLICE_BYTES);
                    sent.extend(slice);
                }
            });
            assert!(sent == bytes, "{size}");
        }
    }

    #[test]
    fn sending_ends_when_its_time_is_over() {
        let bytes = web::Bytes::from(vec![0; SLICE_BYTES]);
        let answer = send(&mut HttpResponse::Ok(), bytes, Duration::ZERO);
        let mut body = pin!(answer.into_body());
        actix_web::rt::System::new().block_on(async {
            let slice = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await;
            assert!(slice.unwrap().is_err());
        });
    }
}
