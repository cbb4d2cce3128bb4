//! A private broker that speaks TLS, with a certificate of an authority that only its user knows.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Kind, Server, private};

/// RabbitMQ with TLS on `localhost`: stopped, and its folder removed, when this is dropped.
#[derive(Debug)]
pub struct TlsBroker {
    server: Server,
    url: String,
}

impl TlsBroker {
    /// Makes the certificates (`openssl`) and starts the broker.
    pub fn start() -> io::Result<Self> {
        let server = private(Kind::Rabbitmq, |folder| {
            let tls = folder.join("tls");
            fs::create_dir_all(&tls)?;
            make_certificates(&tls)
        })?;
        // Beside the ports that every broker has: see `rabbitmq.sh`.
        let url = format!("amqps://guest:guest@localhost:{}/%2f", server.lease.port + 3);
        Ok(Self { server, url })
    }

    /// How to reach it with TLS.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The authority's certificate, PEM.
    pub fn authority(&self) -> PathBuf {
        self.server.lease.folder.join("tls/authority.pem")
    }
}

fn make_certificates(folder: &Path) -> io::Result<()> {
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n")?;
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let authority =
        ["req", "-x509", "-subj", "/CN=authority of a test", "-keyout", "authority.key", "-out", "authority.pem"];
    openssl(folder, &[&authority[..], &key[..]].concat())?;
    let request = ["req", "-new", "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "request.pem"];
    openssl(folder, &[&request[..], &key[..5]].concat())?;
    let sign =
        ["x509", "-req", "-in", "request.pem", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial"];
    openssl(folder, &[&sign[..], &["-days", "2", "-extfile", "names", "-out", "cert.pem"]].concat())
}

fn openssl(folder: &Path, arguments: &[&str]) -> io::Result<()> {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output();
    let output =
        output.map_err(|error| io::Error::other(format!("openssl cannot be run: {error}; install its package")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("openssl {} failed: {said}", arguments.join(" "))))
}
