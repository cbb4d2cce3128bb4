//! Private servers for tests, benches and the chaos program: RabbitMQ and PostgreSQL from the system's packages, each with
//! its own port and folder.
//!
//! A server lives as long as somebody holds a [`Lease`] on it: a lock on a file, which the kernel lets go of even for a user
//! that was killed. A small supervisor beside each server watches that lock, stops the server and removes its folder.
//! [`shared`] gives all tests of one checkout the same server; [`Server::start`] gives one of your own, to be hurt.
//!
//! A server that is not installed is an error that names the package, never a reason to skip.

mod tls;

pub use tls::TlsBroker;

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Longest time that a server may take to answer after its start, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Seconds without a user after which a shared server stops; one of your own stops at once.
const SHARED_IDLE: u32 = 20;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RabbitMQ (Debian's package `rabbitmq-server`).
    Rabbitmq,
    /// PostgreSQL (Debian's package `postgresql`).
    Postgres,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Rabbitmq => "rabbitmq",
            Self::Postgres => "postgres",
        }
    }

    fn script(self) -> &'static str {
        match self {
            Self::Rabbitmq => include_str!("servers/rabbitmq.sh"),
            Self::Postgres => include_str!("servers/postgres.sh"),
        }
    }

    fn url(self, port: u16) -> String {
        match self {
            Self::Rabbitmq => format!("amqp://guest:guest@127.0.0.1:{port}/%2f"),
            Self::Postgres => format!("postgres://chaperone@127.0.0.1:{port}/postgres"),
        }
    }
}

/// Keeps a server alive.
#[derive(Debug)]
pub struct Lease {
    /// How to reach it.
    pub url: String,
    folder: PathBuf,
    port: u16,
    kind: Kind,
    _lock: File,
}

/// A server of your own: stopped, and its folder removed, when this is dropped.
#[derive(Debug)]
pub struct Server {
    lease: Lease,
    _parent: tempfile::TempDir,
}

/// The server that all tests of this checkout share; started by the first, stopped some seconds after the last. Keep tests
/// apart by names of their own: a queue prefix, a database.
pub fn shared(kind: Kind) -> io::Result<Lease> {
    let checkout = env!("CARGO_MANIFEST_DIR")
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let parent = std::env::temp_dir().join(format!("chaperone-tests-{checkout:016x}"));
    open(kind, &parent.join(kind.as_str()), SHARED_IDLE)
}

impl Server {
    /// Starts one.
    pub fn start(kind: Kind) -> io::Result<Self> {
        private(kind, |_| Ok(()))
    }

    /// How to reach it; the same after a restart.
    pub fn url(&self) -> &str {
        &self.lease.url
    }

    /// The process that everything of it descends from.
    pub fn pid(&self) -> io::Result<u64> {
        let pid = fs::read_to_string(self.lease.folder.join("pid"))?;
        pid.trim().parse().map_err(io::Error::other)
    }

    /// Ends it: in good order, or (`hard`) as a power cut would.
    pub fn stop(&self, hard: bool) -> io::Result<()> {
        let group = fs::read_to_string(self.lease.folder.join("pid"))?;
        let gently = match self.lease.kind {
            Kind::Rabbitmq => "-TERM",
            // Not TERM: that waits for the clients to leave.
            Kind::Postgres => "-INT",
        };
        signal(&group, if hard { "-KILL" } else { gently });
        let deadline = Instant::now() + Duration::from_secs(30);
        while alive(&group) {
            if Instant::now() > deadline {
                signal(&group, "-KILL");
            }
            pause(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Starts it again with the same port and data, and waits until it answers.
    pub fn start_again(&self) -> io::Result<()> {
        let Lease { kind, folder, port, .. } = &self.lease;
        let mut tries = 0;
        loop {
            launch(*kind, folder, *port)?;
            match await_ready(*kind, folder, *port) {
                // PostgreSQL refuses to start until the last orphaned session of a killed server has noticed.
                Err(_) if tries < 20 => pause(Duration::from_millis(250)),
                ended => return ended,
            }
            tries += 1;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The supervisor would do it a second later, after the folder is gone.
        let _ = self.stop(true);
        if let Ok(port) = fs::read_to_string(self.lease.folder.join("epmd")) {
            let _ = quiet("epmd").args(["-port", port.trim(), "-kill"]).status();
        }
    }
}

/// Starts a server in a folder of its own that `prepare` has put something into.
fn private(kind: Kind, prepare: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<Server> {
    let parent = tempfile::Builder::new().prefix("chaperone-server-").tempdir()?;
    // PostgreSQL's own user must be able to reach its folder.
    fs::set_permissions(parent.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let folder = parent.path().join(kind.as_str());
    fs::create_dir_all(&folder)?;
    prepare(&folder)?;
    let lease = open(kind, &folder, 1)?;
    Ok(Server { lease, _parent: parent })
}

fn open(kind: Kind, folder: &Path, idle: u32) -> io::Result<Lease> {
    fs::create_dir_all(folder.parent().unwrap_or(folder))?;
    // One at a time: finds the server that is there, or starts it.
    let gate = File::create(format!("{}.lock", folder.display()))?;
    gate.lock()?;
    fs::create_dir_all(folder)?;
    let lock = File::create(folder.join("lease"))?;
    lock.lock_shared()?;
    let known = fs::read_to_string(folder.join("port")).ok().and_then(|port| port.parse().ok());
    let running =
        known.filter(|port| answers(*port) && fs::read_to_string(folder.join("pid")).is_ok_and(|pid| alive(&pid)));
    let port = match running {
        Some(port) => port,
        None => {
            let port = free_ports()?;
            fs::write(folder.join("port"), port.to_string())?;
            launch(kind, folder, port)?;
            watch(folder, idle)?;
            port
        }
    };
    await_ready(kind, folder, port)?;
    Ok(Lease { url: kind.url(port), folder: folder.to_owned(), port, kind, _lock: lock })
}

/// Starts the server as a process group of its own; its output goes to `server.log`.
fn launch(kind: Kind, folder: &Path, port: u16) -> io::Result<()> {
    let script = folder.join("run.sh");
    fs::write(&script, kind.script())?;
    if kind == Kind::Rabbitmq {
        fs::write(folder.join("epmd"), (port + 2).to_string())?;
    }
    let log = File::options().create(true).append(true).open(folder.join("server.log"))?;
    let child = Command::new("sh")
        .args([script.as_os_str(), folder.as_os_str()])
        .arg(port.to_string())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()?;
    fs::write(folder.join("pid"), child.id().to_string())?;
    reap(child);
    Ok(())
}

/// Starts the supervisor.
fn watch(folder: &Path, idle: u32) -> io::Result<()> {
    let script = folder.join("supervise.sh");
    fs::write(&script, include_str!("servers/supervise.sh"))?;
    let child =
        quiet("sh").args([script.as_os_str(), folder.as_os_str()]).arg(idle.to_string()).process_group(0).spawn()?;
    reap(child);
    Ok(())
}

/// Waits for a child in the background, so that it does not stay as a zombie that looks alive.
fn reap(mut child: std::process::Child) {
    std::thread::spawn(move || child.wait());
}

fn await_ready(kind: Kind, folder: &Path, port: u16) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let ready = match kind {
            // RabbitMQ opens its port when everything else is up.
            Kind::Rabbitmq => answers(port),
            // PostgreSQL opens its port first and takes sessions later.
            Kind::Postgres => answers(port) && accepts(port),
        };
        if ready {
            return Ok(());
        }
        if !fs::read_to_string(folder.join("pid")).is_ok_and(|pid| alive(&pid)) {
            break;
        }
        pause(Duration::from_millis(50));
    }
    let log = fs::read_to_string(folder.join("server.log")).unwrap_or_default();
    let tail: Vec<&str> = log.lines().rev().take(12).collect();
    let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
    Err(io::Error::other(format!(
        "the private {} does not start: is its package installed (deploy/setup.sh test)? Its last lines:\n{tail}",
        kind.as_str()
    )))
}

fn answers(port: u16) -> bool {
    TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), Duration::from_millis(500)).is_ok()
}

fn accepts(port: u16) -> bool {
    quiet("pg_isready")
        .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
        .status()
        .is_ok_and(|status| status.success())
}

/// The first of four free ports in a row, below the range from which the system takes ports of its own accord.
fn free_ports() -> io::Result<u16> {
    for _ in 0..1000 {
        let port = fastrand::u16(10_000..32_000);
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (port..port + 4).all(free) {
            return Ok(port);
        }
    }
    Err(io::Error::other("no four free ports in a row"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "blocking code that waits for another program, which tells nobody when it is ready"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn signal(group: &str, signal: &str) {
    let _ = quiet("kill").args([signal, "--", &format!("-{}", group.trim())]).status();
}

fn alive(group: &str) -> bool {
    let group = format!("-{}", group.trim());
    quiet("kill").args(["-0", "--", &group]).status().is_ok_and(|status| status.success())
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_ones_own_restarts_with_its_data_and_goes_with_its_owner() {
        let server = Server::start(Kind::Postgres).unwrap();
        let folder = server.lease.folder.clone();
        assert!(folder.join("data/PG_VERSION").exists());
        for hard in [false, true] {
            server.stop(hard).unwrap();
            assert!(!answers(server.lease.port));
            server.start_again().unwrap();
            assert!(answers(server.lease.port));
        }
        let port = server.lease.port;
        drop(server);
        assert!(!folder.exists() && !answers(port));
    }

    #[test]
    fn a_server_that_nobody_uses_any_more_is_stopped() {
        let parent = tempfile::tempdir().unwrap();
        let lease = open(Kind::Rabbitmq, &parent.path().join("rabbitmq"), 1).unwrap();
        let (port, folder) = (lease.port, lease.folder.clone());
        let group = fs::read_to_string(folder.join("pid")).unwrap();
        drop(lease);
        let deadline = Instant::now() + PATIENCE;
        while answers(port) || alive(&group) || folder.exists() {
            assert!(Instant::now() < deadline, "it is still there");
            pause(Duration::from_millis(100));
        }
    }

    #[test]
    fn tests_share_one_server() {
        let (one, two) = (shared(Kind::Postgres).unwrap(), shared(Kind::Postgres).unwrap());
        assert_eq!(one.url, two.url);
    }
}
