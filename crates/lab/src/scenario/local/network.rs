//! Services on this machine: connections to a Service's address are led to one of its pods, as
//! kube-proxy does it. On the way they can be made slow.

use anyhow::Context;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// What is read at once, and how many such pieces are on their way.
const PIECE_BYTES: usize = 16 << 10;
const MOST_PIECES: usize = 256;
/// After an accept that failed: no descriptor is free, say.
const REST: Duration = Duration::from_millis(100);

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forward {
    pub(crate) service: String,
    pub(crate) listen: SocketAddr,
    /// Of its pods, which take turns.
    pub(crate) targets: Vec<SocketAddr>,
}

/// How long each piece of data is on its way, in each direction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Delay(Arc<AtomicU64>);

impl Delay {
    pub(crate) fn set(&self, delay: Duration) {
        let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.0.store(ms, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// The Services of a run; dropping it cuts every connection.
pub(crate) struct Network {
    pub(crate) delay: Delay,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Network {
    /// Listens on every address before it returns.
    ///
    /// # Errors
    /// With the Service whose address is taken.
    pub(crate) fn start(ways: &[Forward]) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        let mut listeners = Vec::new();
        for way in ways {
            let listener = runtime.block_on(TcpListener::bind(way.listen));
            let listener = listener.with_context(|| {
                format!(
                    "Service {}: cannot listen on {} (does another program on every address?)",
                    way.service, way.listen
                )
            })?;
            listeners.push((listener, way.targets.clone()));
        }
        let delay = Delay::default();
        let (stop, stopped) = oneshot::channel();
        let slow = delay.clone();
        let thread = std::thread::Builder::new()
            .name("fgm-network".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    for (listener, targets) in listeners {
                        tokio::spawn(accept(listener, targets, slow.clone()));
                    }
                    // An error means that the sender is gone: the end as well.
                    let _ = stopped.await;
                });
            })
            .context("cannot start a thread")?;
        Ok(Self {
            delay,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, targets: Vec<SocketAddr>, delay: Delay) {
    let turn = AtomicUsize::new(0);
    loop {
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(REST).await;
            continue;
        };
        let at = turn.fetch_add(1, Ordering::Relaxed) % targets.len().max(1);
        if let Some(target) = targets.get(at) {
            tokio::spawn(lead(client, *target, delay.clone()));
        }
    }
}

/// Both ways of a connection, until either end closes or breaks it.
async fn lead(client: TcpStream, target: SocketAddr, delay: Delay) {
    // The client is told by the end of its connection.
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    // Small pieces go at once; it does not matter where that is refused.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let _ = tokio::join!(
        carry(from_client, to_server, delay.clone()),
        carry(from_server, to_client, delay)
    );
}

/// Hands on what it reads, each piece after its time; the order stays.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Delay) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(MOST_PIECES);
    let read = async move {
        let mut buffer = vec![0; PIECE_BYTES];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let piece = buffer.get(..count).unwrap_or_default().to_vec();
            if sender
                .send((Instant::now() + delay.get(), piece))
                .await
                .is_err()
            {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = receiver.recv().await {
            sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
        // The other end may be gone.
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net;

    /// A server that sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut reader = stream.try_clone().expect("two handles");
                    std::io::copy(&mut reader, &mut &stream)
                });
            }
        });
        address
    }

    fn free() -> SocketAddr {
        let listener = net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("its address")
    }

    fn ask(address: SocketAddr, text: &[u8]) -> (Vec<u8>, Duration) {
        let asked = std::time::Instant::now();
        let mut stream = net::TcpStream::connect(address).expect("a connection");
        stream.write_all(text).expect("sent");
        stream.shutdown(net::Shutdown::Write).expect("closed");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        (answer, asked.elapsed())
    }

    #[test]
    fn everything_arrives_in_order_and_late_by_the_delay() {
        let way = Forward {
            service: "echo".to_owned(),
            listen: free(),
            targets: vec![echo(), echo()],
        };
        let network = Network::start(std::slice::from_ref(&way)).expect("started");
        let text: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for _ in 0..3 {
            assert_eq!(ask(way.listen, &text).0, text);
        }
        network.delay.set(Duration::from_millis(150));
        let (answer, took) = ask(way.listen, b"hello");
        assert_eq!(answer, b"hello");
        // There and back.
        assert!(took >= Duration::from_millis(300), "{took:?}");
        drop(network);
        net::TcpStream::connect(way.listen).expect_err("nobody listens any more");
    }

    #[test]
    fn a_taken_address_is_named() {
        let taken = net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let way = Forward {
            service: "db".to_owned(),
            listen: taken.local_addr().expect("its address"),
            targets: Vec::new(),
        };
        let error = Network::start(&[way]).err().expect("refused").to_string();
        assert!(error.contains("Service db"), "{error}");
    }
}
