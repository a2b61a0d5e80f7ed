//! A real API server (the test bed's `apiserver`), and a line to it that can be cut.

use crate::must;
use crate::needs::{require_or_skip, test_bed};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What an orderly end takes when nobody is waited for.
const ORDERLY: Duration = Duration::from_secs(20);

/// etcd and a kube-apiserver; dropping it ends them.
#[derive(Debug)]
pub struct ApiServer {
    folder: TempDir,
    script: PathBuf,
    another: Mutex<Option<Child>>,
}

impl ApiServer {
    /// Starts one with data of its own; `None` where there is no test bed.
    #[must_use]
    pub fn start() -> Option<Self> {
        let script = test_bed()?.join("apiserver");
        let folder = must(tempfile::tempdir(), "temporary directory");
        let output = Command::new(&script)
            .arg("start")
            .arg(folder.path())
            .output();
        let output = must(output, "start the API server");
        if output.status.code() == Some(125) {
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            let what = format!("an API server ({})", reason.trim());
            return require_or_skip(None, &what, "FGM_TESTBED");
        }
        assert!(output.status.success(), "the API server: {output:?}");
        Some(Self {
            folder,
            script,
            another: Mutex::default(),
        })
    }

    /// The kubeconfig of `admin`, `viewer` (may read all) or `nobody` (may do nothing).
    #[must_use]
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.folder.path().join(format!("{user}.kubeconfig"))
    }

    /// The kubeconfig of a service account.
    #[must_use]
    pub fn account(&self, namespace: &str, name: &str) -> PathBuf {
        let output = Command::new(&self.script)
            .arg("sa-kubeconfig")
            .arg(self.folder.path())
            .args([namespace, name])
            .output();
        let output = must(output, "make a kubeconfig");
        assert!(output.status.success(), "{output:?}");
        let path = self.kubeconfig(&format!("{namespace}-{name}"));
        must(fs::write(&path, output.stdout), "kubeconfig");
        path
    }

    /// Runs kubectl as administrator, and gives what it said.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        let env = must(
            fs::read_to_string(self.folder.path().join("env")),
            "environment",
        );
        let assets = env.lines().find_map(|line| {
            let (_, assets) = line.split_once("KUBEBUILDER_ASSETS=")?;
            Some(PathBuf::from(assets))
        });
        let child = Command::new(assets.unwrap_or_default().join("kubectl"))
            .arg("--kubeconfig")
            .arg(self.kubeconfig("admin"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = must(child, "start kubectl");
        if let Some(mut stdin) = child.stdin.take() {
            // It may end without reading.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = must(child.wait_with_output(), "kubectl");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        text(&output.stdout) + &text(&output.stderr)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let kubeconfig = must(fs::read_to_string(self.kubeconfig("admin")), "kubeconfig");
        let address = kubeconfig
            .split("https://")
            .nth(1)
            .and_then(|rest| rest.split(['"', '\n']).next())
            .and_then(|address| address.trim().parse().ok());
        match address {
            Some(address) => address,
            None => panic!("no address in {kubeconfig}"),
        }
    }

    /// Starts a second server over the same data, as a cluster of three control planes has them,
    /// and gives its address.
    #[must_use]
    pub fn start_another(&self) -> SocketAddr {
        let first = self.first();
        let command = must(fs::read(process(first).join("cmdline")), "command");
        let free = must(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)), "a free port");
        let address = must(free.local_addr(), "a free port");
        drop(free);
        let mut words = command
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .filter(|word| !word.is_empty())
            .map(|word| match word.strip_prefix("--secure-port=") {
                Some(_) => format!("--secure-port={}", address.port()),
                None => word,
            });
        let program = words.next().unwrap_or_default();
        let log = must(
            File::create(self.folder.path().join("log/another.log")),
            "log",
        );
        let child = Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(must(log.try_clone(), "log"))
            .stderr(log)
            .spawn();
        let mut another = match self.another.lock() {
            Ok(another) => another,
            Err(poisoned) => poisoned.into_inner(),
        };
        *another = Some(must(child, "start another API server"));
        let server = format!("https://{address}");
        crate::wait_for("another API server", || {
            let answer = self.kubectl(&["--server", &server, "get", "--raw", "/readyz"], "");
            (answer == "ok").then_some(())
        });
        address
    }

    /// Ends the first server, in an orderly way if that takes no longer than it must: it waits for
    /// open requests for up to a minute. From then on the kubeconfig of `admin` is that of the
    /// other one.
    pub fn end_first(&self, other: SocketAddr) {
        let first = self.first();
        let signal = |signal| {
            if let Some(pid) = Pid::from_raw(first) {
                must(kill_process(pid, signal), "end the API server");
            }
        };
        signal(Signal::TERM);
        let asked = Instant::now();
        let mut is_killed = false;
        let runs = || {
            let command = fs::read(process(first).join("cmdline"));
            command.is_ok_and(|command| !command.is_empty())
        };
        crate::wait_for("the API server to end", || {
            if asked.elapsed() > ORDERLY && runs() && !std::mem::replace(&mut is_killed, true) {
                signal(Signal::KILL);
            }
            (!runs()).then_some(())
        });
        let path = self.kubeconfig("admin");
        let text = must(fs::read_to_string(&path), "kubeconfig");
        let text = text.replace(&self.address().to_string(), &other.to_string());
        must(fs::write(&path, text), "kubeconfig");
    }

    fn first(&self) -> i32 {
        let file = self.folder.path().join("kube-apiserver.pid");
        let pid = must(fs::read_to_string(file), "process");
        must(pid.trim().parse(), "process")
    }
}

fn process(pid: i32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if let Ok(mut another) = self.another.lock()
            && let Some(child) = another.as_mut()
        {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = Command::new(&self.script)
            .arg("stop")
            .arg(self.folder.path())
            .status();
    }
}

/// What a line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Line {
    /// Connections pass.
    Open,
    /// Connections are cut, new ones are refused at once.
    Cut,
    /// Connections that there are go on; new ones are accepted, and wait.
    Slow,
}

/// A line to a server that can be cut; it ends with the test process.
#[derive(Debug, Clone)]
pub struct Wire {
    /// Where it listens.
    pub address: SocketAddr,
    server: Arc<Mutex<SocketAddr>>,
    line: Arc<AtomicU8>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    /// A line to that server, in that state.
    #[must_use]
    pub fn to(server: SocketAddr, line: Line) -> Self {
        let listener = must(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)), "listen");
        let wire = Self {
            address: must(listener.local_addr(), "address"),
            server: Arc::new(Mutex::new(server)),
            line: Arc::new(AtomicU8::new(line as u8)),
            open: Arc::default(),
        };
        let own = wire.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let own = own.clone();
                thread::spawn(move || own.connect(&client));
            }
        });
        wire
    }

    /// Changes the line.
    pub fn set(&self, line: Line) {
        self.line.store(line as u8, Ordering::SeqCst);
        if line == Line::Cut
            && let Ok(mut open) = self.open.lock()
        {
            for stream in open.drain(..) {
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
        }
    }

    /// New connections go to that server.
    pub fn lead_to(&self, server: SocketAddr) {
        if let Ok(mut target) = self.server.lock() {
            *target = server;
        }
    }

    /// A kubeconfig like that one, over this line.
    #[must_use]
    pub fn kubeconfig(&self, original: &Path, server: SocketAddr) -> PathBuf {
        let text = must(fs::read_to_string(original), "kubeconfig");
        let text = text.replace(&server.to_string(), &self.address.to_string());
        let path = original.with_extension(format!("{}.kubeconfig", self.address.port()));
        must(fs::write(&path, text), "kubeconfig");
        path
    }

    fn connect(&self, client: &TcpStream) {
        let server = loop {
            let line = self.line.load(Ordering::SeqCst);
            if line == Line::Cut as u8 {
                return;
            }
            if line == Line::Open as u8
                && let Ok(target) = self.server.lock().map(|target| *target)
                && let Ok(server) = TcpStream::connect(target)
            {
                break server;
            }
            thread::sleep(Duration::from_millis(10));
        };
        let copies = client.try_clone().and_then(|client_copy| {
            let server_copy = server.try_clone()?;
            if let Ok(mut open) = self.open.lock() {
                open.push(client.try_clone()?);
                open.push(server.try_clone()?);
            }
            Ok((client_copy, server_copy))
        });
        let Ok((client_copy, server_copy)) = copies else {
            return;
        };
        let back = thread::spawn(move || pass(&server_copy, &client_copy));
        pass(client, &server);
        let _ = back.join();
    }
}

/// Passes all bytes on, then the end.
fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}
