//! HTTPS: a listener whose connections are encrypted, with a certificate that can be exchanged while it runs.
//!
//! A handshake has a task of its own and a time limit: one slow client holds up nobody.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use axum::serve::Listener;
use tokio::{
    net::TcpStream,
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, mpsc},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
    server::TlsStream,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::config::TlsConfig;

/// Time that a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at once; one more connection waits.
const HANDSHAKES: usize = 256;
/// Encrypted connections that wait to be served.
const READY: usize = 64;
/// Time between two looks whether the files have changed.
const LOOK: Duration = Duration::from_secs(30);

/// Our certificate with its key, read from two files.
#[derive(Debug)]
pub struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
    /// When the files were last written, as they were read.
    written: RwLock<[Option<SystemTime>; 2]>,
}

impl Identity {
    /// Reads the configured files; `None` where none are configured. Fails with a sentence that says which file is wrong.
    pub fn read(config: &TlsConfig) -> Result<Option<Arc<Self>>> {
        let (Some(certificate), Some(key)) = (&config.certificate, &config.key) else { return Ok(None) };
        let written = [certificate, key].map(|file| written(file));
        let current = RwLock::new(Arc::new(pair(certificate, key)?));
        let (certificate, key) = (certificate.clone(), key.clone());
        Ok(Some(Arc::new(Self { certificate, key, current, written: RwLock::new(written) })))
    }

    /// Reads the files again. What is wrong with them leaves the old certificate in force.
    pub fn reload(&self) -> Result<()> {
        let times = [&self.certificate, &self.key].map(|file| written(file));
        // Also when the pair is wrong: it is told once, not at every look.
        *self.written.write().unwrap_or_else(PoisonError::into_inner) = times;
        let new = Arc::new(pair(&self.certificate, &self.key)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    fn has_changed(&self) -> bool {
        let times = [&self.certificate, &self.key].map(|file| written(file));
        *self.written.read().unwrap_or_else(PoisonError::into_inner) != times
    }

    /// Reloads on SIGHUP, and when a file has changed, until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => Some(hangup),
            Err(error) => {
                tracing::warn!(%error, "cannot listen for SIGHUP: certificates are looked at by their time only");
                None
            }
        };
        loop {
            let told = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            let due = tokio::select! {
                () = stop.cancelled() => return,
                _ = told => true,
                () = tokio::time::sleep(LOOK) => self.has_changed(),
            };
            if !due {
                continue;
            }
            match self.reload() {
                Ok(()) => tracing::info!("the TLS certificate was read again"),
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, "the new TLS certificate cannot be used: the old one stays in force");
                }
            }
        }
    }

    /// What rustls needs to serve with it.
    fn server(self: Arc<Self>) -> Result<Arc<ServerConfig>> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .context("no TLS version is supported")?
            .with_no_client_auth()
            .with_cert_resolver(self);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn written(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|meta| meta.modified()).ok()
}

/// Reads a pair and checks that its halves belong together.
fn pair(certificate: &Path, key: &Path) -> Result<CertifiedKey> {
    let place = certificate.display();
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("server.tls.certificate {place} cannot be read: it must be a PEM file"))?;
    ensure!(!chain.is_empty(), "server.tls.certificate {place} holds no certificate: it must be a PEM file");
    let private = PrivateKeyDer::from_pem_file(key).with_context(|| {
        format!("server.tls.key {} cannot be read: it must be a PEM file that this user may read", key.display())
    })?;
    CertifiedKey::from_der(chain, private, &default_provider())
        .with_context(|| format!("server.tls.key {} is not the key of server.tls.certificate {place}", key.display()))
}

/// Accepts encrypted connections.
pub struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
    _accepting: AbortOnDropHandle<()>,
}

impl TlsListener {
    /// Encrypts what `listener` accepts. Dropped, it accepts nothing more.
    pub fn new<L>(listener: L, identity: Arc<Identity>) -> Result<Self>
    where
        L: Listener<Io = TcpStream, Addr = SocketAddr>,
    {
        let address = listener.local_addr().context("the listener has no address")?;
        let acceptor = TlsAcceptor::from(identity.server()?);
        let (sender, ready) = mpsc::channel(READY);
        let accepting = tokio::spawn(accept(listener, acceptor, sender));
        Ok(Self { ready, address, _accepting: AbortOnDropHandle::new(accepting) })
    }
}

async fn accept<L>(mut listener: L, acceptor: TlsAcceptor, ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>)
where
    L: Listener<Io = TcpStream, Addr = SocketAddr>,
{
    let slots = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let (stream, address) = listener.accept().await;
        let (acceptor, ready) = (acceptor.clone(), ready.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    // The receiver has gone: the service stops.
                    let _ = ready.send((stream, address)).await;
                }
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
            drop(slot);
        });
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // Its task only ends with us.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a new pair for `localhost`.
    fn write(folder: &Path) -> TlsConfig {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        TlsConfig { certificate: Some(certificate), key: Some(key) }
    }

    #[test]
    fn i2_none_configured_is_none() {
        assert!(Identity::read(&TlsConfig::default()).unwrap().is_none());
    }

    #[test]
    fn i2_a_wrong_pair_is_told_and_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let config = write(folder.path());
        let identity = Identity::read(&config).unwrap().unwrap();
        let first = identity.current.read().unwrap().cert[0].clone();
        let other = tempfile::tempdir().unwrap();
        write(other.path());
        std::fs::copy(other.path().join("tls.key"), folder.path().join("tls.key")).unwrap();
        let error = format!("{:#}", identity.reload().unwrap_err());
        assert!(error.contains("tls.key") && error.contains("is not the key of"), "{error}");
        assert_eq!(identity.current.read().unwrap().cert[0], first);
        std::fs::copy(other.path().join("tls.crt"), folder.path().join("tls.crt")).unwrap();
        identity.reload().unwrap();
        assert_ne!(identity.current.read().unwrap().cert[0], first);
    }

    #[test]
    fn i2_what_is_no_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let config = write(folder.path());
        std::fs::write(folder.path().join("tls.crt"), "no PEM").unwrap();
        let error = format!("{:#}", Identity::read(&config).unwrap_err());
        assert!(error.contains("tls.crt") && error.contains("holds no certificate"), "{error}");
        std::fs::remove_file(folder.path().join("tls.crt")).unwrap();
        let error = format!("{:#}", Identity::read(&config).unwrap_err());
        assert!(error.contains("tls.crt") && error.contains("cannot be read"), "{error}");
    }
}
