//! SSH: who connects, and which command they run. Of Git it knows nothing but the commands' names.

mod talk;

use crate::gate::Gate;
use crate::keys;
use crate::listen::Patient;
use crate::server::Server;
use anyhow::{Context, Result};
use russh::keys::ssh_key::{LineEnding, private::Ed25519Keypair};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handle, Handler, Msg, PublicKeyOffer, Session,
    VerifiedPublicKey, run_stream,
};
use russh::{Channel, ChannelId, MethodKind, MethodSet, Preferred};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

/// Connections at once, and channels at once in each.
const CONNECTIONS_MAX: usize = 1000;
const CHANNELS_MAX: usize = 16;
/// How long a client may take to say who it is, at most.
const LOGIN: Duration = Duration::from_secs(60);
/// How often a silent client is asked whether it is there, within the time that it may stall: it
/// is taken to be gone when it has not answered so often.
const ASKED: u32 = 4;
/// How long one waits who was refused.
const REJECTION: Duration = Duration::from_millis(300);
/// The host's own key, made at the first start.
const HOST_KEY: &str = "ssh_host_ed25519_key";
/// How clients may sign: an RSA key never with SHA-1.
const SIGNATURES: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// A listener, and the key that it shows.
pub struct Ssh {
    listener: TcpListener,
    key: PrivateKey,
}

impl Ssh {
    pub async fn bind(address: SocketAddr, data: &Path) -> Result<Ssh> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} for SSH"))?;
        Ok(Ssh { listener, key: host_key(data)? })
    }

    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// What a client asks people to compare at the first connection.
    pub fn fingerprint(&self) -> String {
        keys::fingerprint(self.key.public_key())
    }

    /// Serves for ever.
    pub async fn serve(self, server: Arc<Server>) {
        let methods: &[MethodKind] = match server.gate {
            Gate::Open => &[MethodKind::None, MethodKind::PublicKey],
            Gate::Tokens => &[MethodKind::PublicKey],
        };
        let config = Arc::new(Config {
            methods: MethodSet::from(methods),
            keys: vec![self.key],
            preferred: Preferred { key: Cow::Borrowed(SIGNATURES), ..Preferred::default() },
            auth_rejection_time: REJECTION,
            auth_rejection_time_initial: Some(Duration::ZERO),
            inactivity_timeout: None,
            keepalive_interval: Some(server.cell.limits.stall / ASKED),
            keepalive_max: ASKED as usize - 1,
            nodelay: true,
            ..Config::default()
        });
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let (config, server) = (Arc::clone(&config), Arc::clone(&server));
                    tokio::spawn(async move {
                        if let Err(error) = connection(config, stream, server).await {
                            tracing::debug!(%peer, "an SSH connection ended: {error}");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("cannot accept an SSH connection: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// The host's key from the data folder; only its owner may read it.
fn host_key(data: &Path) -> Result<PrivateKey> {
    let path = data.join(HOST_KEY);
    let context = || format!("cannot read or make the host key {}", path.display());
    if !path.exists() {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).context("the system gives no random bytes")?;
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
        let mut file = tempfile::NamedTempFile::new_in(data).with_context(context)?;
        file.write_all(key.to_openssh(LineEnding::LF)?.as_bytes()).with_context(context)?;
        file.as_file().sync_all().with_context(context)?;
        // Another start at the same time may have been first: then its key is read.
        let _ = file.persist_noclobber(&path);
        File::open(data).and_then(|data| data.sync_all()).with_context(context)?;
    }
    let text = std::fs::read_to_string(&path).with_context(context)?;
    PrivateKey::from_openssh(text).with_context(context)
}

async fn connection(
    config: Arc<Config>,
    stream: TcpStream,
    server: Arc<Server>,
) -> Result<(), russh::Error> {
    let _ = stream.set_nodelay(true);
    let stall = server.cell.limits.stall;
    let is_in = Arc::new(AtomicBool::new(false));
    let login = LOGIN.min(talk::SLOWER * stall);
    let stream = Patient::new(stream, stall, login, Arc::clone(&is_in));
    let (channels, open) = (HashMap::default(), Arc::default());
    let client = Client { server, key: None, is_in, channels, open };
    run_stream(config, stream, client).await?.await
}

/// One connection.
struct Client {
    server: Arc<Server>,
    /// The fingerprint of the key that let it in; none where everybody is.
    key: Option<String>,
    is_in: Arc<AtomicBool>,
    /// Channels without a command yet: who waits for it, and the protocol that each asks for.
    channels: HashMap<ChannelId, (oneshot::Sender<Start>, Vec<u8>)>,
    /// Held by each channel.
    open: Arc<()>,
}

/// What a channel is for.
struct Start {
    key: Option<String>,
    protocol: Vec<u8>,
    command: String,
}

impl Client {
    fn judge(&self, key: &PublicKey, algorithm: &Algorithm) -> Auth {
        if self.server.gate == Gate::Open {
            return Auth::Accept;
        }
        if !SIGNATURES.contains(algorithm) {
            return Auth::reject();
        }
        match keys::is_known(&self.server.cell.names(), &keys::fingerprint(key)) {
            Ok(true) => Auth::Accept,
            Ok(false) => Auth::reject(),
            Err(error) => {
                tracing::error!("cannot look a key up: {error:#}");
                Auth::reject()
            }
        }
    }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn auth_none(&mut self, _user: &str) -> Result<Auth, russh::Error> {
        Ok(if self.server.gate == Gate::Open { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey_offered(
        &mut self,
        _user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(self.judge(offer.public_key, offer.algorithm))
    }

    async fn auth_publickey(
        &mut self,
        _user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        self.key = Some(keys::fingerprint(key.public_key));
        Ok(self.judge(key.public_key, key.algorithm))
    }

    async fn auth_succeeded(&mut self, _session: &mut Session) -> Result<(), russh::Error> {
        self.is_in.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        if Arc::strong_count(&self.open) <= CHANNELS_MAX {
            let (begin, begun) = oneshot::channel();
            self.channels.insert(channel.id(), (begin, Vec::new()));
            let (server, open) = (Arc::clone(&self.server), Arc::clone(&self.open));
            tokio::spawn(wait(server, session.handle(), open, begun, channel));
            reply.accept().await;
        }
        Ok(())
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        match self.channels.get_mut(&channel).filter(|_| name == talk::PROTOCOL) {
            Some((_, protocol)) => {
                *protocol = value.into();
                session.channel_success(channel)
            }
            None => session.channel_failure(channel),
        }
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.begin(channel, command, session)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.begin(channel, b"", session)
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.channels.remove(&channel);
        Ok(())
    }
}

impl Client {
    /// Has the task of the channel run a command.
    fn begin(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let Some((begin, protocol)) = self.channels.remove(&id) else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        let command = String::from_utf8_lossy(command).into_owned();
        // Who said it too late finds the channel closed.
        let _ = begin.send(Start { key: self.key.clone(), protocol, command });
        Ok(())
    }
}

/// A channel from its begin on. One that is told no command in time is closed: nobody takes what is
/// sent there, and once it is full, its connection stands still and does not even end.
async fn wait(
    server: Arc<Server>,
    session: Handle,
    open: Arc<()>,
    begun: oneshot::Receiver<Start>,
    channel: Channel<Msg>,
) {
    let stall = server.cell.limits.stall;
    if let Ok(Ok(Start { key, protocol, command })) = timeout(stall, begun).await {
        return talk::answer(server, session, open, key, protocol, command, channel).await;
    }
    let (reader, writer) = channel.split();
    drop(reader);
    let _ = writer.close().await;
}
