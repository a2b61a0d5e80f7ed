use crate::data::*;
use fgm_model::{QosClass, Table, Tick};
use fgm_viewer::AppState;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use tokio::sync::oneshot;

/// The next event's data.
fn next(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> String {
    let mut lines = lines.map(Result::unwrap);
    lines.find(|line| line == "event: tick").unwrap();
    let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    data.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tail_tells_of_new_rows_and_ends_with_the_server() {
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
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET /api/v1/tail HTTP/1.1\r\nHost: {address}\r\n\r\n"
        )
        .unwrap();
        let mut lines = BufReader::new(stream).lines();
        let first = next(&mut lines);
        let live = START + 119 * SECOND;
        assert_eq!(first, format!("{{\"live_until_ms\":{live}}}"));

        let mut spool = recording.spool();
        let time_ms = START + 120 * SECOND;
        let agent = who("dddd", "datadog", "agent", QosClass::Guaranteed);
        let tick = Tick {
            time_ms,
            clock_epoch: 0,
            rows: vec![row(&agent, 120)],
        };
        spool.append_tick(Table::Metrics, &tick).unwrap();
        assert_eq!(next(&mut lines), format!("{{\"live_until_ms\":{time_ms}}}"));

        stop.send(()).unwrap();
        // The stream comes to its end, or the connection does.
        assert!(lines.by_ref().map_while(Result::ok).count() < 10);
    });
    client.await.unwrap();
    server.await.unwrap();
}
