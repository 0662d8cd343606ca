//! `gitcell serve`.

use super::Common;
use crate::cell::{Cell, Limits, now};
use crate::gate::Gate;
use crate::listen;
use crate::registry;
use crate::rules::{Rules, Terms};
use crate::scrub::{self, Plan};
use crate::server::Server;
use crate::ssh;
use crate::tokens::{self, Scope};
use crate::upkeep;
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::future::Future;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How long running requests may take to end once the server was asked to stop.
const GRACE: Duration = Duration::from_secs(60);
/// A file passed the limit that the system sets (`ulimit -f`).
const SIGXFSZ: i32 = 25;
const SWEEP: Duration = Duration::from_secs(5);
const WEEK: u64 = 7 * 24 * 3600;
/// The repository that a first start makes, so that there is one to clone.
const FIRST: &str = "demo/hello";

/// Prints a line. Who was to read it may have gone, or have no room left: that ends no server.
macro_rules! say {
    ($($text:tt)*) => { let _ = writeln!(std::io::stdout(), $($text)*); };
}

#[derive(Args)]
pub struct Serve {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Serve SSH too, here; `gitcell key add` lets people in
    #[arg(long, value_name = "ADDRESS:PORT")]
    ssh: Option<SocketAddr>,
    /// Serve everybody without tokens, and create a repository at its first push; loopback only
    #[arg(long)]
    open: bool,
    /// How many requests run at once; more wait a little, then are answered 503
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    capacity: u32,
    /// How many seconds of CPU time one request may take
    #[arg(long, default_value_t = 600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    cpu_max: u64,
    /// How many bytes of packs one repository may hold; 0: no limit
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    size_max: u64,
    /// Refuse pushes while the disk has less than so many MiB left
    #[arg(long, default_value_t = 64, value_name = "MIB")]
    disk_reserve: u64,
    /// After how many seconds a client is cut that sends nothing, or takes nothing; over SSH it may
    /// be silent five times as long in a push, while it packs
    #[arg(long, default_value_t = 120, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    stall: u64,
    /// Read all that is stored again now and then, so many MiB a second, to find damage early; 0:
    /// never
    #[arg(long, default_value_t = 4, value_name = "MIB")]
    scrub_mib_per_second: u64,
    /// After how many seconds a repository is read again
    #[arg(long, default_value_t = WEEK, value_name = "SECONDS")]
    scrub_every: u64,
}

impl Serve {
    pub fn run(self, common: &Common) -> Result<()> {
        for address in [Some(self.listen), self.ssh].into_iter().flatten() {
            ensure!(
                !self.open || address.ip().is_loopback(),
                "--open lets everybody in: it listens on loopback only, not on {}",
                address.ip()
            );
        }
        let cpu_max = Duration::from_secs(self.cpu_max);
        let limits = Limits {
            capacity: self.capacity,
            cpu_max,
            size_max: self.size_max,
            reserve: self.disk_reserve.saturating_mul(1 << 20),
            stall: Duration::from_secs(self.stall),
        };
        raise_files();
        let cell = Arc::new(Cell::open(&common.data, common.engine.as_deref(), limits)?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .max_blocking_threads(self.capacity as usize + 16)
            .enable_all()
            .build()?;
        let done = runtime.block_on(self.serve(Arc::clone(&cell)));
        runtime.shutdown_timeout(Duration::from_secs(1));
        done
    }

    async fn serve(&self, cell: Arc<Cell>) -> Result<()> {
        let listener = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}", self.listen))?;
        let address = reachable(listener.local_addr()?);
        // A file that may not grow further is then an error, and not the program's end.
        let _growing = signal(SignalKind::from_raw(SIGXFSZ))?;
        let gate = if self.open { Gate::Open } else { Gate::Tokens };
        let ssh = match self.ssh {
            Some(address) => Some(ssh::Ssh::bind(address, cell.data()).await?),
            None => None,
        };
        self.greet(&cell, address)?;
        if let Some(ssh) = &ssh {
            let address = reachable(ssh.address()?);
            say!("\n  git clone ssh://git@{address}/{FIRST}.git");
            say!("  its host key: {}", ssh.fingerprint());
        }
        for work in [Cell::sweep, upkeep::run, upkeep::help] {
            tokio::spawn(now_and_then(Arc::clone(&cell), work));
        }
        if self.scrub_mib_per_second > 0 {
            let rate = self.scrub_mib_per_second.saturating_mul(1 << 20);
            tokio::spawn(scrub(Arc::clone(&cell), Plan { rate, every: self.scrub_every.max(1) }));
        }
        let server = Arc::new(Server::new(cell, gate)?);
        let ssh = ssh.map(|ssh| tokio::spawn(ssh.serve(Arc::clone(&server))));
        let stop = stop()?;
        let stop = async move {
            stop.await;
            if let Some(ssh) = ssh {
                ssh.abort();
            }
        };
        serve(listener, server, stop).await
    }

    /// Tells how to reach the server; at the first start, makes what is needed for that.
    fn greet(&self, cell: &Cell, address: SocketAddr) -> Result<()> {
        let (is_new, has_token) = {
            let registry = cell.registry();
            (registry::list(&registry)?.is_empty(), !tokens::list(&registry)?.is_empty())
        };
        if is_new {
            cell.create(&FIRST.parse()?, "sha1", "main")?;
        }
        say!("gitcell {} serves on http://{address}", env!("CARGO_PKG_VERSION"));
        if self.open {
            say!("open to everybody on this machine; a push creates its repository\n");
            say!("  git clone http://{address}/{FIRST}.git");
            return Ok(());
        }
        if has_token {
            say!("any user name; the password is a token (`gitcell token create` makes one)\n");
            say!("  git clone http://{address}/NAMESPACE/NAME.git");
            return Ok(());
        }
        let rules = Rules::default();
        let terms = Terms { scope: Scope::Write, ttl: None, repo: None, rules };
        let token = tokens::create(&cell.registry(), &terms, "first", now())?;
        say!("a first token, for reading and writing everything; it is shown only now:\n");
        say!("  {token}\n");
        // As a header for this server alone: in a URL it would be seen in logs and error messages.
        let header = format!("http.http://{address}/.extraHeader=Authorization: Bearer {token}");
        say!("  git clone -c '{header}' http://{address}/{FIRST}.git");
        Ok(())
    }
}

/// An address to connect to: who listens everywhere is found at home.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// Serves until `stop`, then lets what runs come to its end.
pub async fn serve(
    listener: TcpListener,
    server: Arc<Server>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let all = async {
        let stop = async move {
            stop.await;
            let _ = stopping.send(());
        };
        listen::listen(listener, Arc::clone(&server), stop).await;
        // Those of SSH, and who had no client any more.
        server.quiet().await;
    };
    let too_long = async {
        let _ = stopped.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = all => {}
        () = too_long => tracing::warn!("some requests did not end in time: they are cut"),
    }
    Ok(())
}

async fn now_and_then(cell: Arc<Cell>, work: fn(&Cell)) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let cell = Arc::clone(&cell);
        let _ = tokio::task::spawn_blocking(move || work(&cell)).await;
    }
}

async fn scrub(cell: Arc<Cell>, plan: Plan) {
    loop {
        let cell = Arc::clone(&cell);
        match tokio::task::spawn_blocking(move || scrub::next(&cell, plan)).await {
            Ok(Ok(true)) => continue,
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::error!("the scrub stopped: {error:#}"),
            Err(error) => tracing::error!("the scrub died: {error}"),
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// Ends at the first SIGTERM or SIGINT; a second one ends the program at once.
fn stop() -> Result<impl Future<Output = ()>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        tracing::info!("stopping: running requests come to their end");
        tokio::spawn(async move {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            std::process::exit(1);
        });
    })
}

/// Three files for each open connection to a repository: takes all that the system allows.
fn raise_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
