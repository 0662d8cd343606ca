//! Git's own server as people run it: `git http-backend` behind nginx and fcgiwrap, with git's
//! settings as they come. Where those two are missing, behind the server of `cgi`.

use crate::cgi;
use crate::git::{isolate, text};
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// The word that makes the bench program serve as git's side.
pub const SERVE: &str = "serve-git";
/// Names the folder that Debian's packages `nginx`, `fcgiwrap` and `libfcgi0ldbl` are unpacked in.
const PACKAGES: &str = "BENCH_NGINX";
/// How many requests fcgiwrap answers at once.
const PLACES: &str = "10";
const PATIENCE: Duration = Duration::from_secs(10);

/// All else is as git has it by default.
const SETTINGS: &str = "[http]\n\treceivepack = true\n[uploadpack]\n\tallowFilter = true\n\
                        [safe]\n\tdirectory = *\n";

/// What git's side is called in the report.
pub fn name() -> &'static str {
    match std::env::var_os(PACKAGES) {
        Some(_) => "`git http-backend` behind nginx and fcgiwrap",
        None => "`git http-backend` behind the project's own CGI server, for want of nginx",
    }
}

/// Starts this program again, in a process group of its own; it waits to be told to begin.
pub fn start(folder: &Path) -> Result<Child> {
    std::fs::create_dir_all(folder.join("all"))?;
    std::fs::write(folder.join("gitconfig"), SETTINGS)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(SERVE).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    command.spawn().context("this program as git's server")
}

/// Tells it, and answers where it serves. It ends when its group is killed or the pipe is closed.
pub fn begin(child: &mut Child) -> Result<(SocketAddr, ChildStdin)> {
    let mut pipe = child.stdin.take().context("a server that has not begun")?;
    pipe.write_all(b"begin\n")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
    Ok((line.trim().parse().context("git's server printed no address")?, pipe))
}

/// What that program does: serves until its standard input ends.
pub fn serve(folder: &str) -> Result<()> {
    let folder = Path::new(folder);
    let mut input = std::io::stdin().lock();
    input.read_line(&mut String::new())?;
    let mut children = Vec::new();
    match std::env::var_os(PACKAGES) {
        Some(packages) => children.extend(behind_nginx(folder, &PathBuf::from(packages))?),
        None => println!("{}", cgi::serve(folder)?),
    }
    input.read_to_end(&mut Vec::new())?;
    for child in &mut children {
        child.kill()?;
    }
    Ok(())
}

fn behind_nginx(folder: &Path, packages: &Path) -> Result<[Child; 2]> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let log = std::fs::File::create(folder.join("log"))?;
    std::fs::write(folder.join("nginx.conf"), settings(folder, address)?)?;
    let socket = format!("unix:{}/socket", folder.display());
    let mut fcgiwrap = Command::new(packages.join("usr/sbin/fcgiwrap"));
    fcgiwrap.args(["-f", "-c", PLACES, "-s", &socket]).current_dir(folder);
    isolate(&mut fcgiwrap);
    let libraries = std::fs::read_dir(packages.join("usr/lib"))?;
    for library in libraries.flatten().filter(|entry| entry.path().join("libfcgi.so.0").exists()) {
        fcgiwrap.env("LD_LIBRARY_PATH", library.path());
    }
    // A repository's own settings are stronger than a file, not than the environment.
    fcgiwrap.env_remove("GIT_CONFIG_COUNT").env("GIT_CONFIG_GLOBAL", folder.join("gitconfig"));
    fcgiwrap.stdout(Stdio::null()).stderr(log.try_clone()?);
    let fcgiwrap = fcgiwrap.spawn().context("fcgiwrap")?;
    let mut nginx = Command::new(packages.join("usr/sbin/nginx"));
    nginx.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).args(["-e", "stderr"]);
    nginx.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut nginx = nginx.spawn().context("nginx")?;
    let begun = Instant::now();
    while !folder.join("socket").exists() || TcpStream::connect(address).is_err() {
        if let Some(status) = nginx.try_wait()? {
            bail!("nginx ended with {status}: see {}", folder.join("log").display());
        }
        ensure!(begun.elapsed() < PATIENCE, "nginx does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("{address}");
    Ok([fcgiwrap, nginx])
}

/// As `git help http-backend` has it, for pushes of any size and repositories in one folder.
fn settings(folder: &Path, address: SocketAddr) -> Result<String> {
    let git = text(folder, &["--exec-path"])?;
    let root = folder.display();
    Ok(format!(
        "user root;\ndaemon off;\nworker_processes 2;\npid {root}/nginx.pid;\n\
         events {{ worker_connections 512; }}\n\
         http {{\n\
         access_log off;\nclient_max_body_size 0;\n\
         client_body_temp_path {root}/body;\nfastcgi_temp_path {root}/answers;\n\
         proxy_temp_path {root}/proxy;\nuwsgi_temp_path {root}/uwsgi;\n\
         scgi_temp_path {root}/scgi;\n\
         server {{\nlisten {address};\nlocation / {{\n\
         fastcgi_pass unix:{root}/socket;\nfastcgi_read_timeout 3600;\n\
         fastcgi_param SCRIPT_FILENAME {git}/git-http-backend;\n\
         fastcgi_param GIT_PROJECT_ROOT {root};\nfastcgi_param GIT_HTTP_EXPORT_ALL 1;\n\
         fastcgi_param PATH_INFO $uri;\nfastcgi_param QUERY_STRING $query_string;\n\
         fastcgi_param REQUEST_METHOD $request_method;\n\
         fastcgi_param CONTENT_TYPE $content_type;\n\
         fastcgi_param CONTENT_LENGTH $content_length;\n\
         fastcgi_param REMOTE_ADDR $remote_addr;\n\
         fastcgi_param SERVER_PROTOCOL $server_protocol;\n\
         }}\n}}\n}}\n"
    ))
}
