//! `/nodes`: the list for a person, with who stands out on each node. No script: it is drawn here
//! and asked for again by the browser.

use crate::list::{self, Item};
use crate::node::Nodes;
use axum::extract::State;
use axum::response::Response;
use fgm_service::access::{self, escape};
use serde_json::Value;
use std::fmt::Write;
use std::sync::Arc;

/// What is looked at for who stands out.
const RECENT_MS: i64 = 15 * 60_000;
/// Per node and question.
const OFFENDERS: usize = 3;
/// The newest row of a node that records is not older.
const FRESH_MS: i64 = 15_000;

/// metric, its column's title, and the least percentage that is worth a look
const QUESTIONS: [(&str, &str, f64); 2] = [
    ("cpu_throttled_percent", "Throttled most", 1.0),
    (
        "memory_percent_of_limit",
        "Nearest to its memory limit",
        50.0,
    ),
];

const HEAD: &str = include_str!("nodes.html");

/// `GET /nodes`
pub(crate) async fn page(State(nodes): State<Arc<Nodes>>) -> Response {
    let now = nodes.now();
    let list = list::of(&nodes, &now).await.nodes;
    let mut offenders = Vec::new();
    for (metric, ..) in QUESTIONS {
        let answers = nodes.ask_all(&now, |node| {
            let item = list.iter().find(|item| item.name == node.name)?;
            let last = item.last_ms.filter(|_| item.up)?;
            let start = (last - RECENT_MS).max(0);
            Some(format!(
                "/api/v1/rank?metric={metric}&start={start}&end={last}&n={OFFENDERS}&by=max"
            ))
        });
        offenders.push(answers.await);
    }
    let mut rows = String::new();
    for (at, item) in list.iter().enumerate() {
        let _ = write!(rows, "<tr><th scope=row>{}</th>{}", name(item), state(item));
        for ((metric, _, least), answers) in QUESTIONS.iter().zip(&offenders) {
            let answer = answers.get(at).and_then(Option::as_ref);
            let _ = write!(rows, "<td>{}</td>", worst(item, metric, *least, answer));
        }
        rows.push_str("</tr>\n");
    }
    let mut titles = String::new();
    for (_, title, _) in QUESTIONS {
        let _ = write!(titles, "<th scope=col>{title}</th>");
    }
    let html = HEAD.replace("TITLES", &titles).replace("ROWS", &rows);
    access::page(&html)
}

fn name(item: &Item) -> String {
    // The name is a host name: it needs no escaping, and gets it all the same.
    let name = escape(&item.name);
    let here = if item.own { " <small>here</small>" } else { "" };
    format!("<a href=\"node/{name}/\">{name}</a>{here}")
}

/// Two cells: the state, and the age of the data.
fn state(item: &Item) -> String {
    let reason = item.reason.as_deref().unwrap_or_default();
    let notice = item.notice.as_deref().unwrap_or_default();
    let (class, word) = match item.age_ms {
        _ if !item.up => ("bad", "✕ away"),
        None => ("warn", "▲ nothing recorded"),
        Some(age) if age > FRESH_MS => ("warn", "▲ stale"),
        Some(_) => ("good", "● recording"),
    };
    let age = item.age_ms.map_or_else(|| "–".to_owned(), age);
    let more = escape(if item.up { notice } else { reason });
    format!("<td class={class}>{word}<br><small>{more}</small></td><td>{age}</td>")
}

fn age(ms: i64) -> String {
    match ms / 1000 {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Links to the containers that stand out, each into its node's page.
fn worst(item: &Item, metric: &str, least: f64, answer: Option<&Result<Value, String>>) -> String {
    let Some(answer) = answer else {
        return String::new();
    };
    let rows = match answer {
        Ok(answer) => answer.get("rows").and_then(Value::as_array),
        Err(reason) => return format!("<small>{}</small>", escape(reason)),
    };
    let mut html = String::new();
    for row in rows.into_iter().flatten() {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
        let max = row.get("max").and_then(Value::as_f64).unwrap_or(0.0);
        let id = text("id");
        let is_id = !id.is_empty() && id.bytes().all(|c| c.is_ascii_hexdigit());
        if max < least || !is_id {
            continue;
        }
        let _ = write!(
            html,
            "<a href=\"node/{}/#v=1&amp;t=live:900&amp;m={metric}&amp;c={id}\">{}{}{}</a> {max:.0} %<br>",
            escape(&item.name),
            escape(text("namespace")),
            if text("namespace").is_empty() {
                ""
            } else {
                "/"
            },
            escape(text("name")),
        );
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn item() -> Item {
        Item {
            name: "n1".into(),
            own: false,
            up: true,
            reason: None,
            node: None,
            version: None,
            first_ms: None,
            last_ms: Some(1),
            age_ms: Some(3_000),
            notice: Some("<script>alert(1)</script>".into()),
        }
    }

    #[test]
    fn names_and_reasons_are_text() {
        let rows = json!({ "rows": [
            { "id": "abc123", "namespace": "<b>", "name": "\"><img src=x>", "max": 90.0 },
            { "id": "\"onload=x", "name": "x", "max": 90.0 },
            { "id": "abc124", "name": "quiet", "max": 0.0 },
        ]});
        let html = worst(&item(), "m", 1.0, Some(&Ok(rows)));
        assert!(
            html.contains("&lt;b&gt;/&quot;&gt;&lt;img src=x&gt;</a> 90 %"),
            "{html}"
        );
        assert_eq!(html.matches("<a ").count(), 1);
        assert!(!state(&item()).contains("<script"));
        let broken = worst(&item(), "m", 1.0, Some(&Err("<i>".into())));
        assert_eq!(broken, "<small>&lt;i&gt;</small>");
    }

    #[test]
    fn a_node_is_told_by_its_state_and_the_age_of_its_data() {
        let mut item = item();
        assert!(state(&item).contains("● recording") && state(&item).contains("3 s"));
        item.age_ms = Some(3 * 3_600_000);
        assert!(state(&item).contains("▲ stale") && state(&item).contains("3 h"));
        item.up = false;
        item.reason = Some("cannot be reached: no route".into());
        assert!(state(&item).contains("✕ away") && state(&item).contains("no route"));
    }
}
