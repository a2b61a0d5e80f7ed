//! Each test waits until the server has cut off who takes too much.

use super::*;
use axum::body::Body;
use axum::routing::{get, put};
use futures_util::stream;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

const SHORT: Limits = Limits {
    connections: 2,
    header_time: Duration::from_millis(200),
    body_time: Duration::from_millis(200),
    stalled_time: Duration::from_millis(200),
    buffer_bytes: 16 << 10,
};

async fn start(site: Router) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(serve_within(SHORT, listener, site, async {
        let _ = stopped.await;
    }));
    (address, stop)
}

/// Sends that text and gives all that comes until the server closes.
async fn talk(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A connection that is reset has ended as well.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn half_a_request_ends_and_gives_its_place_back() {
    let (address, _stop) = start(Router::new().route("/", get(async || "ok"))).await;
    let idle = [
        TcpStream::connect(address).await.unwrap(),
        TcpStream::connect(address).await.unwrap(),
    ];
    // Both places are taken by who says nothing; this one waits until one is free.
    let answer = talk(
        address,
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(idle);
    let answer = talk(address, "GET / HTTP/1.1\r\nhost:").await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn too_many_headers_are_refused() {
    let (address, _stop) = start(Router::new().route("/", get(async || "ok"))).await;
    let long = "x".repeat(64 << 10);
    let answer = talk(address, &format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n")).await;
    // Cut off, or told so: what matters is that it was not taken in.
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let read = async |body: axum::body::Bytes| format!("{} bytes", body.len());
    let (address, _stop) = start(Router::new().route("/", put(read))).await;
    let head = "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nconnection: close\r\n\r\n";
    let whole = talk(address, &format!("{head}12345")).await;
    assert!(whole.ends_with("5 bytes"), "{whole}");
    let half = talk(address, &format!("{head}12")).await;
    assert!(half.starts_with("HTTP/1.1 4"), "{half}");
}

/// Tells when it is dropped.
struct Held(Option<oneshot::Sender<()>>);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.take().map(|freed| freed.send(()));
    }
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_freed() {
    let (freed, is_freed) = oneshot::channel();
    let held = Arc::new(std::sync::Mutex::new(Some(Held(Some(freed)))));
    let endless = move || {
        let held = held.lock().unwrap().take();
        async move {
            Body::from_stream(stream::unfold(held, async |held| {
                Some((Ok::<_, io::Error>(vec![0_u8; 64 << 10]), held))
            }))
        }
    };
    let (address, _stop) = start(Router::new().route("/", get(endless))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    // Nothing is read: the kernel's buffers fill, then the server waits in vain.
    is_freed.await.unwrap();
    drop(stream);
}
