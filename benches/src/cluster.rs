//! Many machines on one: private RabbitMQ and PostgreSQL, worker processes of the real binary, and what each uses.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use pipeline::{
    clock::Clock,
    config::QueueConfig,
    queue::{self, Queue},
    servers::{Kind, Server},
    store::{self, Store},
};

use crate::{scenario::Setting, service};

/// What stands behind the workers. Its servers are stopped, and their folders removed, when it is dropped.
pub struct Cluster {
    /// The broker.
    pub rabbitmq: Server,
    /// The database server.
    pub postgres: Server,
    prefix: String,
    binary: PathBuf,
    repository: PathBuf,
}

impl Cluster {
    /// Starts both servers.
    pub async fn start(setting: &Setting) -> anyhow::Result<Self> {
        let start = |kind| tokio::task::spawn_blocking(move || Server::start(kind));
        let (rabbitmq, postgres) = tokio::try_join!(start(Kind::Rabbitmq), start(Kind::Postgres))?;
        Ok(Self {
            rabbitmq: rabbitmq?,
            postgres: postgres?,
            prefix: "chaperone".into(),
            binary: setting.binary.clone(),
            repository: setting.repository.clone(),
        })
    }

    /// The configuration that publishers and workers share.
    pub fn queue_config(&self) -> QueueConfig {
        QueueConfig { url: self.rabbitmq.url().to_owned(), prefix: self.prefix.clone(), ..QueueConfig::default() }
    }

    /// A publisher of its own connection: consumes nothing.
    pub async fn publisher(&self) -> anyhow::Result<Arc<dyn Queue>> {
        let store = self.store().await?;
        Ok(queue::connect(&self.queue_config(), &[], store, Clock::system()).await?)
    }

    /// The rows.
    pub async fn store(&self) -> anyhow::Result<Arc<dyn Store>> {
        Ok(store::connect(self.postgres.url()).await?)
    }

    /// A worker process, not started yet: all lanes, the named models, an index that is down (there is no Qdrant here, and
    /// moderation must not need it).
    fn command(&self, models: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Command> {
        let mut command = Command::new(&self.binary);
        command
            .args(["worker", "--lanes", "interactive,live,bulk", "--listen", "127.0.0.1:0"])
            .env("CHAPERONE_QUEUE__URL", self.rabbitmq.url())
            .env("CHAPERONE_QUEUE__PREFIX", &self.prefix)
            .env("CHAPERONE_STORE__URL", self.postgres.url())
            .env("CHAPERONE_INDEX__URL", "http://127.0.0.1:9")
            .env("CHAPERONE_MODELS__REPOSITORY", &self.repository)
            .env("CHAPERONE_MODELS__LOAD", serde_json::to_string(models)?)
            .env("CHAPERONE_LOG__FILTER", "error")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        Ok(command)
    }
}

/// Worker processes that are started again whenever one ends, as an orchestrator would.
pub struct Fleet {
    seats: Vec<Arc<Seat>>,
    stopped: Arc<AtomicBool>,
}

#[derive(Default)]
struct Seat {
    /// Process id of the one that sits there; 0 while it is being started.
    pid: AtomicU64,
    /// How often one was started.
    starts: AtomicU64,
    /// CPU time of those that have ended.
    spent: Mutex<Duration>,
    /// `http://…` of its health and metrics.
    url: Mutex<Option<String>>,
}

impl Fleet {
    /// Starts `count` workers.
    pub fn start(
        cluster: &Cluster,
        count: usize,
        models: &[&str],
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let stopped = Arc::<AtomicBool>::default();
        let mut seats = Vec::new();
        for _ in 0..count {
            let (seat, stopped) = (Arc::<Seat>::default(), Arc::clone(&stopped));
            let mut command = cluster.command(models, environment)?;
            let child = command.spawn().with_context(|| format!("starting {}", cluster.binary.display()))?;
            seat.take(child, Arc::clone(&stopped), command);
            seats.push(seat);
        }
        Ok(Self { seats, stopped })
    }

    /// Waits until every worker listens.
    pub async fn ready(&self) -> anyhow::Result<()> {
        for seat in &self.seats {
            let deadline = std::time::Instant::now() + Duration::from_secs(120);
            while seat.url().is_none() {
                anyhow::ensure!(std::time::Instant::now() < deadline, "a worker does not come up: see its log above");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Kills the worker in this seat as a power cut would; another one takes its place.
    pub fn kill(&self, seat: usize) {
        let pid = self.seats[seat % self.seats.len()].pid.load(Ordering::SeqCst);
        if pid != 0 {
            send_signal("-KILL", pid);
        }
    }

    /// How many processes were started in all.
    pub fn starts(&self) -> u64 {
        self.seats.iter().map(|seat| seat.starts.load(Ordering::SeqCst)).sum()
    }

    /// `http://…` of every worker that listens.
    pub fn urls(&self) -> Vec<String> {
        self.seats.iter().filter_map(|seat| seat.url()).collect()
    }

    /// CPU time that the workers have used, those included that are gone.
    pub fn cpu_time(&self) -> Duration {
        let living = |seat: &Arc<Seat>| tree_cpu_time(seat.pid.load(Ordering::SeqCst));
        self.seats.iter().map(|seat| living(seat) + *seat.spent.lock().unwrap_or_else(PoisonError::into_inner)).sum()
    }

    /// Resident memory of all workers, in MiB.
    pub fn resident_mib(&self) -> f64 {
        self.seats.iter().filter_map(|seat| service::resident_mib(seat.pid.load(Ordering::SeqCst)).ok()).sum()
    }
}

impl Seat {
    fn url(&self) -> Option<String> {
        self.url.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Watches a child to its end and starts the next one.
    fn take(self: &Arc<Self>, mut child: Child, stopped: Arc<AtomicBool>, mut command: Command) {
        let seat = Arc::clone(self);
        std::thread::spawn(move || {
            loop {
                seat.starts.fetch_add(1, Ordering::SeqCst);
                seat.pid.store(child.id().into(), Ordering::SeqCst);
                for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
                    let Ok(line) = line else { break };
                    if let Some((_, url)) = line.split_once("listening on ") {
                        *seat.url.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.trim().to_owned());
                    }
                }
                let spent = tree_cpu_time(child.id().into());
                let _ = child.wait();
                seat.pid.store(0, Ordering::SeqCst);
                *seat.url.lock().unwrap_or_else(PoisonError::into_inner) = None;
                *seat.spent.lock().unwrap_or_else(PoisonError::into_inner) += spent;
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // One that cannot start at all must not be started in a tight circle.
                pause(Duration::from_millis(200));
                match command.spawn() {
                    Ok(next) => child = next,
                    Err(_) => return,
                }
            }
        });
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        for seat in &self.seats {
            let pid = seat.pid.load(Ordering::SeqCst);
            if pid != 0 {
                send_signal("-KILL", pid);
            }
        }
    }
}

/// Blocks: for threads that watch processes.
#[expect(clippy::disallowed_methods, reason = "a thread of its own that has nothing else to do")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn send_signal(signal: &str, pid: u64) {
    let _ = Command::new("kill").args([signal, &pid.to_string()]).status();
}

/// CPU time of a process, of its living descendants, and of those descendants that were waited for.
pub fn tree_cpu_time(root: u64) -> Duration {
    // Linux reports in ticks of 1/100 s on every platform we build for (`getconf CLK_TCK`).
    const TICKS_PER_SECOND: f64 = 100.0;
    let mut children: HashMap<u64, Vec<u64>> = HashMap::new();
    let mut ticks: HashMap<u64, u64> = HashMap::new();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok()) {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // proc(5), counted after the command's closing parenthesis: ppid, …, utime, stime, cutime, cstime.
        let Some((_, rest)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<u64> = rest.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        if let [_, parent, ..] = fields[..] {
            children.entry(parent).or_default().push(pid);
            ticks.insert(pid, fields.iter().skip(11).take(4).sum());
        }
    }
    let (mut total, mut open) = (0, vec![root]);
    while let Some(pid) = open.pop() {
        total += ticks.get(&pid).copied().unwrap_or(0);
        open.extend(children.remove(&pid).unwrap_or_default());
    }
    Duration::from_secs_f64(total as f64 / TICKS_PER_SECOND)
}
