//! The real service, started inside this process on a folder of its own.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use pipeline::clock::Clock;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::{bundle::HOUSE_RULE, client::Client};
use crate::{config::Config, role::Role, serve, services::Services};

/// A running service with a client for it.
pub(super) struct Stage {
    pub(super) client: Client,
    /// `http://127.0.0.1:8080`.
    pub(super) base: String,
    stop: CancellationToken,
    service: JoinHandle<Result<()>>,
    // Held until the service has ended: its drop removes store and index.
    _state: tempfile::TempDir,
}

impl Stage {
    /// Starts the service: the user's models, limits and policy (of the default one a copy with the demo's rule), but no keys, no webhooks, and state that vanishes afterwards.
    pub(super) async fn start(mut config: Config, port: Option<u16>, log: &Path) -> Result<Self> {
        write_logs_to(log, &config.log.filter)?;
        let state = tempfile::Builder::new()
            .prefix("chaperone-demo-")
            .tempdir()
            .context("making a folder for the demo's state")?;
        let listener = listen(port.unwrap_or(config.server.listen.port()), port.is_some()).await?;
        let address = listener.local_addr()?;
        config.server.listen = address;
        config.auth.keys.clear();
        config.webhooks.clear();
        config.queue.url = "memory:".into();
        config.store.url = format!("sqlite:{}", state.path().join("chaperone.db").display());
        config.index.url = format!("edge:{}", state.path().join("index").display());
        if config.pipeline.policy.is_none() {
            let policy = state.path().join("policy.toml");
            std::fs::write(&policy, format!("{}{HOUSE_RULE}", pipeline::policy::BUILTIN))
                .context("writing the demo's policy")?;
            config.pipeline.policy = Some(policy);
        }
        let services = Services::connect(config, Clock::system(), Role::Serve).await?;

        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let service = tokio::spawn(serve::run(services, listener, stopped));
        let base = format!("http://{address}");
        let stage = Self { client: Client::new(base.clone())?, base, stop, service, _state: state };
        stage.wait_until_ready().await?;
        Ok(stage)
    }

    async fn wait_until_ready(&self) -> Result<()> {
        for _ in 0..300 {
            if self.client.ready().await {
                return Ok(());
            }
            if self.service.is_finished() {
                bail!("the service ended before it was ready");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the service was not ready after 30 s")
    }

    /// Drains and ends the service; its own error if it had one.
    pub(super) async fn end(self) -> Result<()> {
        self.stop.cancel();
        self.service.await.context("the service panicked")?
    }
}

/// The wanted port, else (when nobody insisted) any free one. Always this machine only.
async fn listen(port: u16, insisted: bool) -> Result<TcpListener> {
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(address(port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if insisted => Err(error)
            .with_context(|| format!("port {port} cannot be used: choose another with --port, or leave it out")),
        Err(_) => TcpListener::bind(address(0)).await.context("no free port on 127.0.0.1"),
    }
}

/// The service's log goes to a file, so that it does not run through the table.
fn write_logs_to(path: &Path, filter: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    }
    let file = File::create(path)
        .with_context(|| format!("opening the log file {}: choose another with --log-file", path.display()))?;
    let filter = EnvFilter::try_new(filter).with_context(|| format!("the log filter `{filter}`"))?;
    // An error means that this process logs elsewhere already (tests): fine.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file)).try_init();
    Ok(())
}

/// Where logs go when nobody says: `./data`, or the system's temporary folder when that cannot be written to.
pub(super) fn default_log_file() -> PathBuf {
    let data = Path::new("data");
    let usable = std::fs::create_dir_all(data).is_ok() && tempfile::tempfile_in(data).is_ok();
    if usable { data.join("demo.log") } else { std::env::temp_dir().join("chaperone-demo.log") }
}
