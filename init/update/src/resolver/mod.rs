//! Names to addresses, without libc: a static glibc program must not resolve names through it.
//!
//! Numeric addresses, then `/etc/hosts`, then the name servers of `/etc/resolv.conf`. Names are
//! taken as they are: no search list, no local services.

mod exchange;
mod files;
pub mod message;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};

use ureq::{
    Error,
    config::Config,
    http::Uri,
    unversioned::{resolver::ResolvedSocketAddrs, transport::NextTimeout},
};

use message::{Kind, Name};

/// For all name servers and both kinds of addresses together.
const DEADLINE: Duration = Duration::from_secs(15);
/// Addresses that are tried.
const MAX_ADDRESSES: usize = 8;

/// A name without an address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Not a host name.
    #[error("expected a host name, found `{0}`")]
    Name(String),
    /// Nobody to ask.
    #[error("resolving `{name}`: `{path}` names no name server")]
    NoServers {
        /// The name.
        name: String,
        /// Where name servers are looked for.
        path: String,
    },
    /// The name servers know no address.
    #[error("resolving `{0}`: there is no such name, or it has no address")]
    NoAddress(String),
    /// No name server answered.
    #[error("resolving `{name}`: no name server answered ({servers})")]
    NoAnswer {
        /// The name.
        name: String,
        /// Who was asked, and what each did.
        servers: String,
    },
}

/// Resolves names by these files.
#[derive(Debug, Clone)]
pub struct Resolver {
    /// As hosts(5).
    pub hosts: PathBuf,
    /// As resolv.conf(5); only `nameserver` counts.
    pub configuration: PathBuf,
    /// Port of the name servers.
    pub port: u16,
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            hosts: "/etc/hosts".into(),
            configuration: "/etc/resolv.conf".into(),
            port: 53,
        }
    }
}

impl Resolver {
    /// The addresses of `host`, at least one. IPv6 is asked for only where there is no IPv4
    /// address: the links of an appliance speak IPv4.
    ///
    /// # Errors
    /// Any [`ResolveError`]; never later than `until`.
    pub fn addresses(&self, host: &str, until: Instant) -> Result<Vec<IpAddr>, ResolveError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Ok(vec![address]);
        }
        let name: Name = host
            .parse()
            .map_err(|_| ResolveError::Name(host.to_owned()))?;
        let known = files::hosts(&self.hosts, &name);
        if !known.is_empty() {
            return Ok(known);
        }
        let servers = self.servers(host)?;
        for kind in [Kind::A, Kind::Aaaa] {
            let found = exchange::ask(&servers, &name, kind, until)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Err(ResolveError::NoAddress(host.to_owned()))
    }

    fn servers(&self, host: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        let servers = files::servers(&self.configuration).into_iter();
        let servers: Vec<_> = servers
            .map(|address| SocketAddr::new(address, self.port))
            .collect();
        if servers.is_empty() {
            return Err(ResolveError::NoServers {
                name: host.to_owned(),
                path: self.configuration.display().to_string(),
            });
        }
        Ok(servers)
    }
}

impl ureq::unversioned::resolver::Resolver for Resolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or(Error::HostNotFound)?;
        let standard = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = uri.port_u16().unwrap_or(standard);
        let until = Instant::now() + DEADLINE.min(*timeout.after);
        let found = self.addresses(host, until);
        let found = found.map_err(|error| Error::Other(Box::new(error)))?;
        let found = found.into_iter().map(|found| SocketAddr::new(found, port));
        let mut addresses = self.empty();
        let family = config.ip_family();
        family
            .keep_wanted(found)
            .take(MAX_ADDRESSES)
            .for_each(|address| addresses.push(address));
        match addresses.is_empty() {
            true => Err(Error::HostNotFound),
            false => Ok(addresses),
        }
    }
}

#[cfg(test)]
mod tests;
