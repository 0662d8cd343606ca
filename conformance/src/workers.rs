//! The host in workerd: started by its own script, in a process group, since it is three processes.

use anyhow::{Context, Result, bail};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The first start installs packages.
const PATIENCE: Duration = Duration::from_secs(300);

/// Starts it on a free port, with its data in `folder`.
pub fn start(folder: &Path) -> Result<(SocketAddr, Option<Child>)> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host-workers/build/run.sh");
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log"))?;
    let mut command = Command::new(script);
    command.env("LISTEN", address.to_string()).env("DATA", folder.join("data"));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    let mut child = command.spawn().context("host-workers/build/run.sh")?;
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        if let Some(status) = child.try_wait()? {
            bail!("workerd did not start ({status}): see {}", folder.join("log").display());
        }
        if begun.elapsed() > PATIENCE {
            stop(&mut child)?;
            bail!("workerd did not start in time");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok((address, Some(child)))
}

/// Ends all its processes at once, as a power cut does.
pub fn stop(child: &mut Child) -> Result<()> {
    let group = format!("-{}", child.id());
    Command::new("kill").args(["-KILL", "--", &group]).status()?;
    child.wait()?;
    Ok(())
}
