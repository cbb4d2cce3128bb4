//! The service as a child process, measured from outside.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context;
use models::Precision;

/// A running `chaperone serve` on a free port with its own data folder; killed on drop.
pub struct Service {
    child: Child,
    url: String,
    _data: tempfile::TempDir,
}

/// How a service is started.
pub struct Setup<'a> {
    /// The `chaperone` binary.
    pub binary: &'a Path,
    /// Models to load.
    pub models: &'a [&'a str],
    /// Core to pin to (`taskset`), and then one compute thread; `None` leaves all cores.
    pub core: Option<usize>,
    /// More `CHAPERONE_…` variables.
    pub environment: &'a [(&'a str, &'a str)],
}

impl Service {
    /// Starts it and waits until it says where it listens.
    pub fn start(setup: &Setup<'_>) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let mut command = match setup.core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]).arg(setup.binary);
                command
            }
            None => Command::new(setup.binary),
        };
        let models = serde_json::to_string(setup.models)?;
        let threads = if setup.core.is_some() { "1" } else { "0" };
        command
            .arg("serve")
            .env("CHAPERONE_SERVER__LISTEN", "127.0.0.1:0")
            .env("CHAPERONE_MODELS__LOAD", &models)
            .env("CHAPERONE_MODELS__THREADS", threads)
            .env("CHAPERONE_STORE__URL", format!("sqlite:{}", data.path().join("chaperone.db").display()))
            .env("CHAPERONE_INDEX__URL", format!("edge:{}", data.path().join("index").display()))
            .env("CHAPERONE_LOG__FILTER", "warn,qdrant_edge=error")
            .envs(setup.environment.iter().copied())
            .stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {}", setup.binary.display()))?;
        let stdout = child.stdout.take().context("stdout was piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let url = loop {
            let line = lines.next().context("the service ended before it was ready; see its log above")??;
            if let Some((_, url)) = line.split_once("listening on ") {
                break url.trim().to_owned();
            }
        };
        // Keep reading, so that the child never blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, url, _data: data })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a model of it computes with.
    pub async fn precision(&self, model: &str) -> anyhow::Result<Precision> {
        let body = reqwest::get(format!("{}/health/ready", self.url)).await?.bytes().await?;
        let ready: serde_json::Value = serde_json::from_slice(&body)?;
        let models = ready["models"].as_array().context("`models` of /health/ready")?;
        let own = models.iter().find(|own| own["name"] == model).with_context(|| format!("{model} is not loaded"))?;
        Ok(serde_json::from_value(own["precision"].clone())?)
    }

    /// User and system time used so far.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        cpu_time(&PathBuf::from(format!("/proc/{}/stat", self.child.id())))
    }

    /// Resident memory now, in MiB.
    pub fn resident_mib(&self) -> anyhow::Result<f64> {
        resident_mib(self.child.id().into())
    }
}

/// Resident memory of a process, in MiB.
pub fn resident_mib(pid: u64) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("VmRSS value")?.parse()?;
    Ok(kib / 1024.0)
}

impl Drop for Service {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of this process.
pub fn own_cpu_time() -> anyhow::Result<Duration> {
    cpu_time(Path::new("/proc/self/stat"))
}

fn cpu_time(stat: &Path) -> anyhow::Result<Duration> {
    // Linux reports in ticks of 1/100 s on every platform we build for (`getconf CLK_TCK`).
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(stat)?;
    // The command name may hold blanks: count fields after its closing parenthesis (proc(5): utime is 14, stime 15).
    let fields: Vec<&str> = stat.rsplit_once(')').context("stat")?.1.split_whitespace().collect();
    let ticks = fields.get(11).context("utime")?.parse::<f64>()? + fields.get(12).context("stime")?.parse::<f64>()?;
    Ok(Duration::from_secs_f64(ticks / TICKS_PER_SECOND))
}
