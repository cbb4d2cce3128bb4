//! Names to addresses, with the refused ones left out: the client connects to nothing that is not in the answer.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::AddressRule;

/// Looks a name up.
pub(super) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The system's resolver.
pub(super) fn system() -> Lookup {
    // The client puts the port of the address in.
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }))
}

/// A resolver that answers only what `rule` lets pass.
pub(super) struct Guarded {
    pub(super) rule: AddressRule,
    pub(super) lookup: Lookup,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (rule, found) = (self.rule, (self.lookup)(name.as_str().to_owned()));
        Box::pin(async move {
            let passed: Vec<SocketAddr> = found.await?.into_iter().filter(|address| rule(address.ip())).collect();
            if passed.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(passed.into_iter()) as Addrs)
        })
    }
}

/// A name that leads to no public address.
#[derive(Debug)]
pub(super) struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name has no public address")
    }
}

impl std::error::Error for NotPublic {}
