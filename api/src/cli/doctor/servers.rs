//! Servers that the configuration names: does something answer there? Nobody logs in and nothing is changed.

use std::{
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    time::Duration,
};

use super::Finding;
use crate::config::{Config, show::redact_url};

/// A server that has not answered by then counts as away.
const PATIENCE: Duration = Duration::from_secs(3);

/// What one URL is expected to lead to.
struct Server {
    what: &'static str,
    key: &'static str,
    /// Scheme and the port that it means.
    ports: &'static [(&'static str, u16)],
    cure: &'static str,
}

const SERVERS: [Server; 3] = [
    Server {
        what: "queue server",
        key: "queue.url",
        ports: &[("amqp", 5672), ("amqps", 5671)],
        cure: "start RabbitMQ (`systemctl start rabbitmq-server`), open its port, or correct queue.url",
    },
    Server {
        what: "store server",
        key: "store.url",
        ports: &[("postgres", 5432), ("postgresql", 5432)],
        cure: "start PostgreSQL (`systemctl start postgresql`), let it listen on that address, or correct store.url",
    },
    Server {
        what: "index server",
        key: "index.url",
        ports: &[("http", 6334), ("https", 6334)],
        cure: "start Qdrant and use its gRPC port (6334), or correct index.url; until then moderation works without similarity",
    },
];

/// A finding for every URL that names a server; none for what is embedded.
pub(super) fn servers(config: &Config) -> Vec<Finding> {
    let urls = [&config.queue.url, &config.store.url, &config.index.url];
    SERVERS.iter().zip(urls).filter_map(|(server, url)| examine(server, url)).collect()
}

fn examine(server: &Server, text: &str) -> Option<Finding> {
    let scheme = crate::role::scheme_of(text);
    let (_, port) = server.ports.iter().find(|(known, _)| *known == scheme)?;
    let shown = redact_url(text);
    let Some((host, port)) =
        url::Url::parse(text).ok().and_then(|url| Some((host(&url)?, url.port().unwrap_or(*port))))
    else {
        let cure = format!("write {} as `{scheme}://host:{port}`", server.key);
        return Some(Finding::bad(server.what, format!("`{shown}` names no host"), cure));
    };
    Some(match reach(&host, port) {
        Ok(address) => Finding::good(server.what, format!("{shown} answers at {address}")),
        // Without an index the service starts and works.
        Err(error) if server.key == "index.url" => Finding::note(server.what, format!("{shown}: {error}"), server.cure),
        Err(error) => Finding::bad(server.what, format!("{shown}: {error}"), server.cure),
    })
}

fn host(url: &url::Url) -> Option<String> {
    // An IPv6 address stands in brackets, which the resolver does not know.
    url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()).filter(|host| !host.is_empty())
}

/// The first address that answers; the last one's error.
fn reach(host: &str, port: u16) -> Result<SocketAddr, std::io::Error> {
    let mut last = std::io::Error::other("the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(address),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::{super::State, *};

    #[test]
    fn embedded_urls_are_no_servers() {
        assert!(servers(&Config::default()).is_empty());
    }

    #[test]
    fn what_answers_is_fine_and_what_does_not_has_a_cure() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut config = Config::default();
        config.queue.url = format!("amqp://guest:hush@127.0.0.1:{port}/%2f");
        config.store.url = "postgres://u:hush@127.0.0.1:1/db".into();
        config.index.url = "http://127.0.0.1:1".into();
        let findings = servers(&config);
        let states: Vec<State> = findings.iter().map(|finding| finding.state).collect();
        assert_eq!(states, [State::Good, State::Bad, State::Note]);
        assert!(findings.iter().all(|finding| !finding.detail.contains("hush")), "{findings:?}");
        assert!(findings[1].cure.as_ref().unwrap().contains("store.url"));
    }
}
