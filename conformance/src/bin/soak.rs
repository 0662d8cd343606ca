//! `soak native|workers|git SECONDS [CLIENTS]`: real git clients that push, force, delete, fetch,
//! clone and list, on some repositories at once, beside a model of all that was acknowledged.
//! At the end all refs are as the model says and git finds every repository whole. Prints figures;
//! fails if anything went wrong.

use anyhow::{Context, Result, bail, ensure};
use conformance::git::{git, run, text};
use conformance::target::{Kind, Target};
use conformance::target_folder;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const REPOSITORIES: usize = 3;
const BRANCHES: u32 = 5;
/// Idle connections are closed after ten seconds, at the next sweep.
const PEACE: Duration = Duration::from_secs(25);

/// What clients may do, and how often of a hundred times.
const DEEDS: &[(&str, u32, Deed)] = &[
    ("push", 40, Client::push),
    ("push to a shared branch", 10, Client::share),
    ("forced push", 8, Client::force),
    ("deletion", 5, Client::delete),
    ("fetch", 14, Client::fetch),
    ("ls-remote", 13, Client::list),
    ("clone", 4, Client::clone_whole),
    ("clone, shallow", 3, Client::clone_shallow),
    ("clone, partial", 3, Client::clone_partial),
];

type Deed = fn(&mut Client) -> Result<()>;

/// A client: a working repository whose branches on the server are its own.
struct Client {
    number: usize,
    url: String,
    folder: PathBuf,
    scratch: PathBuf,
    /// Its branches on the server, as they were acknowledged.
    known: BTreeMap<String, String>,
    /// What it pushed to the shared branch, as that was acknowledged.
    shared: Vec<String>,
    state: u64,
    count: usize,
    /// Times that a ref was forced or deleted between its listing and its fetch.
    late: usize,
}

impl Client {
    fn start(number: usize, url: &str, scratch: &Path) -> Result<Client> {
        let folder = scratch.join(format!("client{number}"));
        let (url, scratch, state) = (url.to_string(), scratch.to_path_buf(), number as u64 + 1);
        let (known, shared) = (BTreeMap::new(), Vec::new());
        std::fs::create_dir_all(&folder)?;
        run(git(&folder, &["init", "--quiet"]))?;
        run(git(&folder, &["remote", "add", "origin", &url]))?;
        let (count, late) = (0, 0);
        let mut client = Client { number, url, folder, scratch, known, shared, state, count, late };
        client.save()?;
        if number < REPOSITORIES {
            // What `HEAD` names is not to be deleted.
            client.git(&["push", "--quiet", "origin", "HEAD:refs/heads/main"])?;
        }
        Ok(client)
    }

    fn random(&mut self, bound: u32) -> u32 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 33) as u32 % bound
    }

    fn git(&self, words: &[&str]) -> Result<String> {
        text(&self.folder, words)
    }

    /// A commit of its own on top of what is checked out.
    fn save(&mut self) -> Result<()> {
        self.count += 1;
        for _ in 0..1 + self.random(4) {
            let number = self.random(8);
            let folder = self.folder.join(format!("folder{number}"));
            std::fs::create_dir_all(&folder)?;
            let size = if self.random(40) == 0 { 100_000 } else { 200 };
            let lines = (0..1 + self.random(size)).map(|line| format!("{} {line}\n", self.count));
            let name = folder.join(format!("file{}", self.state >> 33 & 31));
            std::fs::write(name, lines.collect::<String>())?;
        }
        self.git(&["add", "--all"])?;
        let message = format!("{} of {}", self.count, self.number);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", &message])?;
        Ok(())
    }

    fn own(&mut self) -> String {
        let branch = self.random(BRANCHES);
        format!("refs/heads/own/{}/{branch}", self.number)
    }

    fn send(&mut self, name: &str, force: &str) -> Result<()> {
        let oid = self.git(&["rev-parse", "HEAD"])?;
        self.git(&["push", "--quiet", "origin", &format!("{force}HEAD:{name}")])?;
        self.known.insert(name.to_string(), oid);
        Ok(())
    }

    fn push(&mut self) -> Result<()> {
        let name = self.own();
        if let Some(tip) = self.known.get(&name).cloned() {
            self.git(&["checkout", "--quiet", "--detach", &tip])?;
        }
        self.save()?;
        self.send(&name, "")
    }

    fn force(&mut self) -> Result<()> {
        let name = self.own();
        self.git(&["commit", "--quiet", "--amend", "--allow-empty", "-m", "again"])?;
        self.save()?;
        self.send(&name, "+")
    }

    /// Others push there too: to be second is no error.
    fn share(&mut self) -> Result<()> {
        const NAME: &str = "refs/heads/shared";
        if !self.git(&["ls-remote", "origin", NAME])?.is_empty() {
            self.git(&["fetch", "--quiet", "origin", NAME])?;
            self.git(&["checkout", "--quiet", "--detach", "FETCH_HEAD"])?;
        }
        self.save()?;
        let oid = self.git(&["rev-parse", "HEAD"])?;
        let pushed = self.git(&["push", "--quiet", "origin", &format!("HEAD:{NAME}")]);
        match pushed {
            Ok(_) => self.shared.push(oid),
            Err(error) => {
                let text = format!("{error:#}");
                let is_late = ["fetch first", "non-fast-forward", "failed to update ref"];
                ensure!(is_late.iter().any(|reason| text.contains(reason)), "{text}");
            }
        }
        Ok(())
    }

    fn delete(&mut self) -> Result<()> {
        let Some(name) = self.known.keys().next().cloned() else { return Ok(()) };
        self.git(&["push", "--quiet", "origin", &format!(":{name}")])?;
        self.known.remove(&name);
        Ok(())
    }

    fn fetch(&mut self) -> Result<()> {
        let all = "+refs/heads/*:refs/remotes/origin/*";
        let words = ["fetch", "--quiet", "--prune", "origin", all];
        self.again(&|client| client.git(&words).map(drop))
    }

    /// What a client lists may be gone when it asks for it: then it asks again.
    fn again(&mut self, deed: &dyn Fn(&Client) -> Result<()>) -> Result<()> {
        loop {
            match deed(self) {
                Err(error) if format!("{error:#}").contains("not our ref") => self.late += 1,
                outcome => return outcome,
            }
        }
    }

    /// The server says just what it acknowledged.
    fn list(&mut self) -> Result<()> {
        let own = format!("refs/heads/own/{}/*", self.number);
        let listed = self.git(&["ls-remote", "origin", &own])?;
        let listed: BTreeMap<String, String> = listed
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(oid, name)| (name.to_string(), oid.to_string()))
            .collect();
        ensure!(listed == self.known, "listed: {listed:?}\nacknowledged: {:?}", self.known);
        Ok(())
    }

    fn clone_by(&mut self, options: &[&str]) -> Result<()> {
        self.again(&|client| {
            let folder = client.scratch.join(format!("clone{}", client.number));
            let _ = std::fs::remove_dir_all(&folder);
            let path = folder.to_str().context("a path in UTF-8")?;
            let words = [&["clone", "--quiet", "--bare"], options, &[&client.url, path]].concat();
            run(git(&client.scratch, &words))?;
            run(git(&folder, &["fsck", "--no-dangling", "--no-progress"]))?;
            Ok(())
        })
    }

    fn clone_whole(&mut self) -> Result<()> {
        self.clone_by(&[])
    }

    fn clone_shallow(&mut self) -> Result<()> {
        self.clone_by(&["--depth=2", "--no-single-branch"])
    }

    fn clone_partial(&mut self) -> Result<()> {
        self.clone_by(&["--filter=blob:none"])
    }
}

#[derive(Default)]
struct Tally {
    times: BTreeMap<&'static str, Vec<Duration>>,
    errors: Vec<String>,
}

fn work(client: &mut Client, until: Instant, tally: &Mutex<Tally>) {
    while Instant::now() < until {
        let mut dice = client.random(100);
        let chosen = DEEDS.iter().find(|(_, share, _)| {
            let is_it = dice < *share;
            dice = dice.saturating_sub(*share);
            is_it
        });
        let (name, _, deed) = chosen.unwrap_or(&DEEDS[0]);
        let start = Instant::now();
        let outcome = deed(client);
        let mut tally = tally.lock().expect("no thread panicked");
        tally.times.entry(name).or_default().push(start.elapsed());
        if let Err(error) = outcome {
            eprintln!("soak: {name}: {error:#}");
            tally.errors.push(format!("{name}: {error:#}"));
        }
    }
}

/// All that was acknowledged is there, and whole.
fn judge(url: &str, clients: &[Client], scratch: &Path) -> Result<()> {
    let clients: Vec<&Client> = clients.iter().filter(|client| client.url == url).collect();
    conformance::run::whole(url, scratch)?;
    let clone = scratch.join("clone");
    let listed = text(&clone, &["for-each-ref", "--format=%(refname) %(objectname)"])?;
    let found: BTreeMap<&str, &str> =
        listed.lines().filter_map(|line| line.split_once(' ')).collect();
    let known: BTreeMap<&str, &str> = clients
        .iter()
        .flat_map(|client| client.known.iter().map(|(name, oid)| (&**name, &**oid)))
        .collect();
    for (name, oid) in &known {
        ensure!(found.get(name) == Some(oid), "{name} is {:?}, not {oid}", found.get(name));
    }
    for oid in clients.iter().flat_map(|client| &client.shared) {
        let words = ["merge-base", "--is-ancestor", oid, "refs/heads/shared"];
        run(git(&clone, &words)).with_context(|| format!("{oid} was acknowledged"))?;
    }
    let more = found.len() - known.len();
    ensure!(more <= 2, "refs that nobody pushed: {found:?}");
    Ok(())
}

fn print(tally: &Tally, seconds: u64) {
    let count: usize = tally.times.values().map(Vec::len).sum();
    println!("| operation | count | p50, ms | p99, ms |\n|---|---|---|---|");
    for (name, times) in &tally.times {
        let mut times = times.clone();
        times.sort();
        let at = |part: usize| times[(times.len() - 1) * part / 100].as_millis();
        println!("| {name} | {} | {} | {} |", times.len(), at(50), at(99));
    }
    let rate = count as f64 / seconds as f64;
    println!(
        "{count} operations in {seconds} s: {rate:.1} a second; {} errors",
        tally.errors.len()
    );
}

/// Resident memory of a server, in MiB; none if it has ended.
fn resident(process: u32) -> Option<u64> {
    Some(status(workerd(process).unwrap_or(process), "VmRSS:")? / 1024)
}

/// The memory of a server, twice a second.
fn watch(process: u32, until: Instant) -> Vec<u64> {
    let mut seen = Vec::new();
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(500));
        seen.extend(resident(process));
    }
    seen
}

/// Least, middle and most in each sixth of the time: what does not grow is flat.
fn print_memory(process: u32, seen: &[u64]) {
    println!("| server memory, MiB | least | p50 | most |\n|---|---|---|---|");
    for (number, part) in seen.chunks(seen.len().div_ceil(6).max(1)).enumerate() {
        let mut part = part.to_vec();
        part.sort();
        let at = |share: usize| part[(part.len() - 1) * share / 100];
        println!("| sixth {} | {} | {} | {} |", number + 1, at(0), at(50), at(100));
    }
    std::thread::sleep(PEACE);
    println!("in peace: {} MiB", resident(process).unwrap_or(0));
}

/// The child that serves, of a process that only starts it.
fn workerd(parent: u32) -> Option<u32> {
    let all = std::fs::read_dir("/proc").ok()?;
    let mut numbers = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers.find(|process| {
        let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        name.trim() == "workerd" && status(*process, "PPid:") == Some(u64::from(parent))
    })
}

fn status(process: u32, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let kind = Kind::parse(&words.next().unwrap_or_else(|| "native".into()))?;
    let seconds = words.next().map_or(Ok(60), |word| word.parse()).context("seconds")?;
    let count: usize = words.next().map_or(Ok(6), |word| word.parse()).context("clients")?;
    let scratch = target_folder().join(format!("conformance/soak-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let target = Target::start(kind, &scratch)?;
    let urls =
        (0..REPOSITORIES).map(|_| Ok(target.url(&target.create("soak", "refs/heads/main")?)));
    let urls = urls.collect::<Result<Vec<String>>>()?;
    let clients = (0..count).map(|at| Client::start(at, &urls[at % REPOSITORIES], &scratch));
    let mut clients = clients.collect::<Result<Vec<Client>>>()?;
    let tally = Mutex::new(Tally::default());
    let until = Instant::now() + Duration::from_secs(seconds);
    let memory = std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| work(client, until, &tally));
        }
        target.process().map(|process| watch(process, until))
    });
    for url in &urls {
        judge(url, &clients, &scratch)?;
    }
    let tally = tally.into_inner().expect("no thread panicked");
    print(&tally, seconds);
    let late: usize = clients.iter().map(|client| client.late).sum();
    println!("{late} times a ref was forced or deleted between its listing and its fetch");
    if let (Some(process), Some(seen)) = (target.process(), memory) {
        print_memory(process, &seen);
    }
    println!("all refs are as acknowledged, and git finds {} repositories whole", urls.len());
    drop(target);
    if !tally.errors.is_empty() {
        bail!("{} errors", tally.errors.len());
    }
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}
