//! From the name of a host to a connection. Names are looked up in the hosts file and by the name servers of this machine, and never by
//! libc: that of a static binary would load modules of another one for it (`nsswitch.conf`). What is carried does not belong here.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::NetError;
use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// Where this machine names hosts by itself.
const HOSTS_FILE: &str = "/etc/hosts";

/// A hosts file that blocks advertisements has a few million bytes; past this it is something else.
const HOSTS_BYTES_MAX: u64 = 64 << 20;

/// So many addresses of a name are tried.
const ADDRESSES_MAX: usize = 8;

/// Where names are looked up.
pub struct Names {
    hosts: PathBuf,
    /// Made when it is first needed: a name of the hosts file and a numeric address need none.
    servers: OnceLock<Result<TokioResolver, String>>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names")
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            hosts: PathBuf::from(HOSTS_FILE),
            servers: OnceLock::new(),
        }
    }
}

impl Names {
    /// Connects to the first address of a host that lets us. Each gets its share of the time that is left.
    ///
    /// # Errors
    /// Why none did, in words.
    pub async fn connect(
        &self,
        host: &str,
        port: u16,
        within: Duration,
    ) -> Result<TcpStream, String> {
        let until = Instant::now() + within;
        let Ok(found) = timeout_at(until, self.addresses(host)).await else {
            return Err(format!(
                "the name servers did not answer for {host} within {within:?}"
            ));
        };
        let addresses = found?;
        let mut reasons = Vec::new();
        let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        for address in addresses {
            let share = until.saturating_duration_since(Instant::now()) / left.max(1);
            left = left.saturating_sub(1);
            let connecting = TcpStream::connect(SocketAddr::new(address, port));
            let why = match timeout(share, connecting).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => error.to_string(),
                Err(_elapsed) => format!("no answer within {share:.1?}"),
            };
            reasons.push(format!("{address}: {why}"));
        }
        Err(format!(
            "could not connect to {host}, port {port} ({})",
            reasons.join("; ")
        ))
    }

    /// The addresses of a host, at least one.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        if is_this_machine(host) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let mut found = self.in_hosts_file(host);
        if found.is_empty() {
            let servers = self.servers.get_or_init(|| {
                let mut builder = TokioResolver::builder_tokio().map_err(|error| {
                    format!("found no name servers of this machine (/etc/resolv.conf): {error}")
                })?;
                builder.options_mut().use_hosts_file = ResolveHosts::Never;
                builder.build().map_err(|error| error.to_string())
            });
            let servers = servers.as_ref().map_err(Clone::clone)?;
            let answer = servers.lookup_ip(host).await;
            found = answer
                .map_err(|error| unknown(host, &error))?
                .iter()
                .collect();
        }
        found.truncate(ADDRESSES_MAX);
        match found.as_slice() {
            [] => Err(format!("{host} has no address")),
            [..] => Ok(found),
        }
    }

    fn in_hosts_file(&self, host: &str) -> Vec<IpAddr> {
        let is_short = fs::metadata(&self.hosts).is_ok_and(|file| file.len() <= HOSTS_BYTES_MAX);
        let bytes = if is_short {
            fs::read(&self.hosts).unwrap_or_default()
        } else {
            Vec::new()
        };
        in_hosts(&String::from_utf8_lossy(&bytes), host)
    }
}

/// `localhost` and what is below it, whoever is asked (RFC 6761).
fn is_this_machine(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

fn unknown(host: &str, error: &NetError) -> String {
    if error.is_no_records_found() {
        format!("there is no host {host}: the name servers of this machine know no address of it")
    } else {
        format!("the address of {host} could not be looked up: {error}")
    }
}

/// Lines of an address and its names (hosts(5)).
fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let address = |line: &str| {
        let line = line.split('#').next()?;
        let mut fields = line.split_whitespace();
        let address = fields.next()?.parse().ok()?;
        fields
            .any(|name| name.eq_ignore_ascii_case(host))
            .then_some(address)
    };
    text.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::config::{NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::{RData, Record, RecordType};
    use std::io::Write as _;
    use tempfile::NamedTempFile;
    use tokio::net::{TcpListener, UdpSocket};
    use tokio::task::JoinHandle;

    const BOUND: Duration = Duration::from_secs(10);

    #[test]
    fn a_hosts_file_is_read_as_hosts_5_says() {
        const TEXT: &str = "127.0.0.1\tlocalhost\n# 10.0.0.9 web-1\n10.0.0.7  web-1 Web-1.example.com # 10.0.0.8 db\n\
                            fd00::7 web-1\nnonsense web-1\n10.0.0.8\n";
        let check = |host: &str, wanted: &[&str]| {
            let found = in_hosts(TEXT, host).into_iter().map(|it| it.to_string());
            assert_eq!(found.collect::<Vec<_>>(), wanted, "{host}");
        };
        check("web-1", &["10.0.0.7", "fd00::7"]);
        check("WEB-1.example.com.", &["10.0.0.7"]);
        check("db", &[]);
        check("web", &[]);
        check("", &[]);
    }

    /// A hosts file, and one name server.
    fn names(hosts: &str, server: u16) -> (NamedTempFile, Names) {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(hosts.as_bytes()).unwrap();
        let mut at = NameServerConfig::udp(Ipv4Addr::LOCALHOST.into());
        for connection in &mut at.connections {
            connection.port = server;
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![at]);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let names = Names {
            hosts: file.path().to_owned(),
            servers: OnceLock::from(Ok(builder.build().unwrap())),
        };
        (file, names)
    }

    /// A name server that knows one host, for as long as the task runs.
    async fn serve(host: &'static str, address: Ipv4Addr) -> (u16, JoinHandle<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let mut bytes = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
                let asked = Message::from_vec(&bytes[..length]).unwrap();
                let query = asked.queries[0].clone();
                let mut answer = Message::response(asked.metadata.id, asked.metadata.op_code);
                if query.name().to_string() != host {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                } else if query.query_type() == RecordType::A {
                    let data = RData::A(address.into());
                    answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
                }
                answer.add_query(query);
                let bytes = answer.to_vec().unwrap();
                socket.send_to(&bytes, from).await.unwrap();
            }
        });
        (port, task)
    }

    #[tokio::test]
    async fn each_way_to_name_this_machine_leads_to_it() {
        let (server, task) = serve("engine.example.com.", Ipv4Addr::LOCALHOST).await;
        let (_file, names) = names("127.0.0.2 both\n127.0.0.1 web-1 both\n", server);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // The first address of `both` has no listener.
        for host in [
            "127.0.0.1",
            "localhost",
            "engine.localhost",
            "web-1",
            "both",
            "engine.example.com",
        ] {
            if let Err(why) = names.connect(host, port, BOUND).await {
                panic!("{host}: {why}");
            }
        }
        task.abort();
    }

    #[tokio::test]
    async fn what_leads_nowhere_is_said() {
        let (server, task) = serve("engine.example.com.", Ipv4Addr::LOCALHOST).await;
        let (_file, names) = names("", server);
        let why = names
            .connect("gone.example.com", 1, BOUND)
            .await
            .unwrap_err();
        assert!(why.contains("there is no host gone.example.com"), "{why}");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let why = names.connect("localhost", port, BOUND).await.unwrap_err();
        let start = format!("could not connect to localhost, port {port} (127.0.0.1: ");
        assert!(why.starts_with(&start) && why.contains("; ::1: "), "{why}");
        task.abort();
    }

    #[tokio::test]
    async fn a_silent_name_server_is_not_waited_for_longer_than_asked() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (_file, names) = names("", socket.local_addr().unwrap().port());
        let why = names.connect("web-1", 1, Duration::from_millis(200)).await;
        let why = why.unwrap_err();
        assert!(
            why.contains("did not answer for web-1 within 200ms"),
            "{why}"
        );
    }
}
