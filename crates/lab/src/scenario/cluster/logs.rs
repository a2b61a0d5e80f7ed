//! What the containers of a run wrote, also before they were restarted.

use super::POLL;
use futures_util::{AsyncBufReadExt, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{ListParams, LogParams};
use std::collections::HashSet;
use tokio::task::JoinSet;

/// What a line is told to: `pod/container`, and its text.
pub(super) type Tell = fn(&str, &str);

/// The lines of one container and of those in whose place it is.
struct Log {
    pods: Api<Pod>,
    pod: String,
    container: String,
    /// When the last line that was told was written, as the kubelet stamps it.
    told: Option<Timestamp>,
    /// What the kubelet itself had to say last, e.g. that a file has gone.
    remark: String,
}

impl Log {
    /// Tells what was not told yet: of the container before (a crash loop's last words are there when
    /// the next one has just begun), then of the one that is.
    async fn tell(&mut self, follow: bool, tell: Tell) -> Result<(), kube::Error> {
        for previous in [true, false] {
            // The one before writes nothing any more.
            self.tell_one(previous, follow && !previous, tell).await?;
        }
        Ok(())
    }

    async fn tell_one(
        &mut self,
        previous: bool,
        follow: bool,
        tell: Tell,
    ) -> Result<(), kube::Error> {
        let floor = self.told;
        let params = LogParams {
            container: Some(self.container.clone()),
            previous,
            follow,
            timestamps: true,
            // It is rounded to a second on its way, perhaps up.
            since_time: floor.map(|told| told - SignedDuration::from_secs(1)),
            ..LogParams::default()
        };
        let log = match self.pods.log_stream(&self.pod, &params).await {
            Ok(log) => log,
            // One that did not start yet, or has no predecessor, or has gone, has none.
            Err(kube::Error::Api(status)) if [400, 404].contains(&status.code) => return Ok(()),
            Err(error) => return Err(error),
        };
        let name = format!("{}/{}", self.pod, self.container);
        let mut lines = log.lines();
        while let Some(Ok(line)) = lines.next().await {
            // Not stamped: the kubelet's own word, the same at each look.
            let Some((at, text)) = stamped(&line) else {
                if line != self.remark {
                    tell(&name, &line);
                    self.remark = line;
                }
                continue;
            };
            // The one before is the one that is while it waits for its restart.
            if floor.is_none_or(|floor| at > floor) {
                tell(&name, text);
                self.told = Some(at);
            }
        }
        Ok(())
    }

    /// Until its task is aborted, or it may not be read.
    async fn follow(mut self, tell: Tell) -> Result<(), kube::Error> {
        loop {
            match self.tell(true, tell).await {
                Err(kube::Error::Api(status)) if status.code < 500 => {
                    return Err(kube::Error::Api(status));
                }
                // A server or kubelet that is away for a moment comes back.
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }
}

/// A line as `timestamps=true` gives it.
fn stamped(line: &str) -> Option<(Timestamp, &str)> {
    let (at, text) = line.split_once(' ')?;
    Some((at.parse().ok()?, text))
}

/// Tells what the containers of those pods wrote; with `follow` also what they write until `over`.
///
/// # Errors
/// The pods cannot be listed, or their logs not be read.
pub(super) async fn tell(
    pods: Api<Pod>,
    follow: bool,
    over: impl Fn() -> bool,
    tell: Tell,
) -> anyhow::Result<()> {
    let mut following = JoinSet::new();
    let mut known = HashSet::new();
    loop {
        for pod in pods.list(&ListParams::default()).await? {
            let name = pod.metadata.name.unwrap_or_default();
            for container in pod.spec.into_iter().flat_map(|spec| spec.containers) {
                if !known.insert((name.clone(), container.name.clone())) {
                    continue;
                }
                let mut log = Log {
                    pods: pods.clone(),
                    pod: name.clone(),
                    container: container.name,
                    told: None,
                    remark: String::new(),
                };
                if follow {
                    following.spawn(log.follow(tell));
                } else {
                    log.tell(false, tell).await?;
                }
            }
        }
        if !follow || over() {
            return Ok(());
        }
        while let Some(ended) = following.try_join_next() {
            ended??;
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::stamped;

    #[test]
    fn a_line_of_a_kubelet_has_a_time() {
        let (at, text) = stamped("2026-11-27T03:09:24.123456789+01:00 two  words ").unwrap();
        assert_eq!(at.to_string(), "2026-11-27T02:09:24.123456789Z");
        assert_eq!(text, "two  words ");
        assert_eq!(stamped("2026-11-27T03:09:24Z ").unwrap().1, "");
        for other in [
            "",
            "unable to retrieve container logs",
            "2026-11-27T03:09:24Z",
        ] {
            assert!(stamped(other).is_none(), "{other}");
        }
    }
}
