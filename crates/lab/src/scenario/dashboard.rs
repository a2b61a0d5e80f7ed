//! `dashboard.json`: what the page opens of a run.

use anyhow::ensure;
use fgm_model::Signal;
use serde::Deserialize;
use std::fmt::Write;

const VERSION: u32 = 1;

/// The form of the viewer's dashboards: keys as in the page's address.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dashboard {
    version: u32,
    pub(crate) title: String,
    /// One sentence: what it answers.
    #[serde(default)]
    pub(crate) help: String,
    /// Panels from top to bottom, `metric` or `metric:flags`.
    m: Vec<String>,
    #[serde(default)]
    f: String,
    #[serde(default)]
    hm: Option<String>,
}

impl Dashboard {
    /// # Errors
    /// What is wrong with the text.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let dashboard: Self = serde_json::from_str(text)?;
        ensure!(
            dashboard.version == VERSION,
            "version {} is not {VERSION}",
            dashboard.version
        );
        let signal = Signal::from_id(dashboard.key_metric());
        ensure!(signal.is_some(), "the first panel is no single metric");
        Ok(dashboard)
    }

    /// The metric of the first panel.
    pub(crate) fn key_metric(&self) -> &str {
        let first = self.m.first().map_or("", String::as_str);
        first.split(':').next().unwrap_or_default()
    }

    /// The page's address for a range of milliseconds UTC, restricted to a namespace.
    pub(crate) fn link(
        &self,
        url: &str,
        namespace: &str,
        (start_ms, end_ms): (i64, i64),
    ) -> String {
        let filter = format!("ns:{namespace} {}", self.f);
        let mut link = format!(
            "{url}#v=1&t={}..{}&m={}&f={}",
            seconds(start_ms),
            seconds(end_ms),
            encode(&self.m.join(",")),
            encode(filter.trim_end())
        );
        if let Some(heat) = &self.hm {
            let _ = write!(link, "&hm={}", encode(heat));
        }
        link
    }
}

fn seconds(time_ms: i64) -> String {
    format!(
        "{}.{:03}",
        time_ms.div_euclid(1000),
        time_ms.rem_euclid(1000)
    )
}

/// As the page writes its own address.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => encoded.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'*' | b':' | b',' | b'|' | b'/' => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_the_pages_own() {
        let text = r#"{"version":1,"title":"T","m":["memory_current:l","cpu_usage_millicores"],"f":"a&b","hm":"memory_current:max"}"#;
        let dashboard = Dashboard::parse(text).expect("a dashboard");
        assert_eq!(dashboard.key_metric(), "memory_current");
        assert_eq!(
            dashboard.link("http://127.0.0.1:8050/", "run-1", (1_000, 2_500)),
            "http://127.0.0.1:8050/#v=1&t=1.000..2.500&m=memory_current:l,cpu_usage_millicores&f=ns:run-1+a%26b&hm=memory_current:max"
        );
    }
}
