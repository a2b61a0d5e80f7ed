//! Serving HTTP to who may be slow, broken or hostile: each connection has its limits.

#[cfg(test)]
mod tests;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tower_http::timeout::RequestBodyTimeoutLayer;

/// What goes on at a shutdown may end.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// After an accept that failed: no descriptor is free, say.
const REST: Duration = Duration::from_millis(100);

/// What one client may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Connections at once; more wait in the kernel.
    connections: usize,
    /// From the connection, or the last answer, to the end of the next request's headers.
    header_time: Duration,
    /// Between two pieces of a request's body.
    body_time: Duration,
    /// A client that takes nothing for so long is cut off, and its answer is freed.
    stalled_time: Duration,
    /// All headers of a request, and what waits to be sent.
    buffer_bytes: usize,
}

const LIMITS: Limits = Limits {
    connections: 1024,
    header_time: Duration::from_secs(30),
    body_time: Duration::from_secs(10),
    stalled_time: Duration::from_secs(30),
    buffer_bytes: 64 << 10,
};

/// Serves a site until `shutdown` ends.
pub async fn serve(listener: TcpListener, site: Router, shutdown: impl Future<Output = ()>) {
    serve_within(LIMITS, listener, site, shutdown).await;
}

async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    site: Router,
    shutdown: impl Future<Output = ()>,
) {
    let site = site.layer(RequestBodyTimeoutLayer::new(limits.body_time));
    let site = TowerToHyperService::new(site);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.buffer_bytes);
    let places = Arc::new(Semaphore::new(limits.connections));
    let open = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, place) = tokio::select! {
            () = &mut shutdown => break,
            next = next(&listener, &places) => next,
        };
        let stream = TokioIo::new(patient(stream, limits.stalled_time));
        let connection = open.watch(http.serve_connection(stream, site.clone()));
        tokio::spawn(async move {
            // A client that goes away or breaks the rules concerns nobody but itself.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    // What is longer than that ends with the program.
    let _ = tokio::time::timeout(DRAIN_TIME, open.shutdown()).await;
}

async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

fn patient(stream: TcpStream, stalled_time: Duration) -> Pin<Box<TimeoutStream<TcpStream>>> {
    // Small answers go at once; it does not matter where that is refused.
    let _: io::Result<()> = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(stalled_time));
    Box::pin(stream)
}
