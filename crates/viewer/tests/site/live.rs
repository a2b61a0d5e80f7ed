use crate::data::*;
use fgm_model::{EventKind, QosClass, Table, Tick};
use fgm_viewer::AppState;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::{SocketAddr, TcpStream};
use tokio::sync::oneshot;

/// The next message's kind and data.
fn next(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> (String, String) {
    let mut lines = lines.map(Result::unwrap);
    let mut field = |name: &str| {
        let value = lines.find_map(|line| line.strip_prefix(name).map(str::to_owned));
        value.unwrap()
    };
    (field("event: "), field("data: "))
}

fn tail(address: SocketAddr, query: &str) -> Lines<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET /api/v1/tail{query} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    BufReader::new(stream).lines()
}

fn tick(time_ms: i64) -> (String, String) {
    (
        "tick".to_owned(),
        format!("{{\"live_until_ms\":{time_ms}}}"),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tail_tells_of_new_rows_and_events_and_ends_with_the_server() {
    let recording = Recording::new();
    let place = recording.place().await;
    let address = place.listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move {
        stopped.await.unwrap();
    };
    let server = tokio::spawn(fgm_viewer::serve(
        place,
        AppState::new(recording.temp.path()),
        shutdown,
    ));

    let client = tokio::task::spawn_blocking(move || {
        let mut lines = tail(address, "");
        let mut of_shop = tail(address, "?sel=ns:shop");
        // What happened before is asked for elsewhere.
        assert_eq!(next(&mut lines), tick(START + 119 * SECOND));
        assert_eq!(next(&mut of_shop), tick(START + 119 * SECOND));

        let mut spool = recording.spool();
        let time_ms = START + 120 * SECOND;
        let agent = who("dddd", "datadog", "agent", QosClass::Guaranteed);
        let rows = Tick {
            time_ms,
            clock_epoch: 0,
            rows: vec![row(&agent, 120)],
        };
        // As the recorder writes them: the events first.
        let killed = event("killed", EventKind::OomKill, 120, Some(&agent));
        spool.append_events(&[killed]).unwrap();
        spool.append_tick(Table::Metrics, &rows).unwrap();
        let (kind, data) = next(&mut lines);
        let data: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert_eq!(
            (kind.as_str(), &data["kind"]),
            ("event", &"oom_kill".into())
        );
        assert_eq!(data["pod"], "agent-0");
        assert_eq!(next(&mut lines), tick(time_ms));
        assert_eq!(next(&mut of_shop), tick(time_ms), "of another namespace");

        stop.send(()).unwrap();
        // The stream comes to its end, or the connection does.
        assert!(lines.by_ref().map_while(Result::ok).count() < 10);
    });
    client.await.unwrap();
    server.await.unwrap();
}
