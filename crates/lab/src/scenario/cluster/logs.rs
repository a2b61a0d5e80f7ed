//! What the containers of a run wrote, also before they were restarted.

use super::POLL;
use futures_util::AsyncBufReadExt;
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
    told: Told,
}

/// What was told already.
#[derive(Debug, Default)]
struct Told {
    /// When the last line was written, as the kubelet stamps it.
    at: Option<Timestamp>,
    /// What the kubelet itself had to say last, e.g. that a file has gone.
    remark: String,
}

impl Told {
    /// What is to be told of a line as `timestamps=true` gives it, if that was written after `floor`.
    fn news<'a>(&mut self, line: &'a str, floor: Option<Timestamp>) -> Option<&'a str> {
        let stamped = line
            .split_once(' ')
            .and_then(|(at, text)| Some((at.parse::<Timestamp>().ok()?, text)));
        let Some((at, text)) = stamped else {
            // The kubelet's own word, the same at each look.
            return (line != self.remark).then(|| {
                line.clone_into(&mut self.remark);
                line
            });
        };
        floor.is_none_or(|floor| at > floor).then(|| {
            self.at = Some(at);
            text
        })
    }
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
        // The one before is the one that is while it waits for its restart.
        let floor = self.told.at;
        let params = LogParams {
            container: Some(self.container.clone()),
            previous,
            follow,
            timestamps: true,
            // It is rounded to a second on its way, perhaps up.
            since_time: floor.map(|told| told - SignedDuration::from_secs(1)),
            ..LogParams::default()
        };
        let mut log = match self.pods.log_stream(&self.pod, &params).await {
            Ok(log) => log,
            // One that did not start yet, or has no predecessor, or has gone, has none.
            Err(kube::Error::Api(status)) if [400, 404].contains(&status.code) => return Ok(()),
            Err(error) => return Err(error),
        };
        let name = format!("{}/{}", self.pod, self.container);
        let mut line = Vec::new();
        while log
            .read_until(b'\n', &mut line)
            .await
            .is_ok_and(|read| read > 0)
        {
            // A container may write anything, also what is no UTF-8.
            let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line));
            if let Some(news) = self.told.news(&text, floor) {
                tell(&name, news);
            }
            line.clear();
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
                    told: Told::default(),
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
    use super::Told;

    const FIRST: &str = "2026-11-27T03:09:24.123456789+01:00 two  words";
    const NEXT: &str = "2026-11-27T03:09:25+01:00 ";

    #[test]
    fn a_line_is_told_once() {
        let mut told = Told::default();
        assert_eq!(told.news(FIRST, None), Some("two  words"));
        let floor = told.at;
        assert_eq!(floor.unwrap().to_string(), "2026-11-27T02:09:24.123456789Z");
        assert_eq!(told.news(FIRST, floor), None);
        assert_eq!(told.news(NEXT, floor), Some(""));
    }

    #[test]
    fn what_the_kubelet_says_is_told_until_it_says_something_else() {
        let mut told = Told::default();
        for remark in ["unable to retrieve container logs", "2026-11-27T03:09:24Z"] {
            assert_eq!(told.news(remark, None), Some(remark));
            assert_eq!(told.news(remark, None), None);
        }
        assert_eq!(told.at, None);
    }
}
