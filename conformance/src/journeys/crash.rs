//! Power cuts: of the server, and of the client.

use super::Trip;
use crate::fixture::{Fixture, Seed};
use crate::git::{git, run, start, text};
use crate::target::{Kind, Target, binary};
use anyhow::{Context, Result, bail, ensure};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Deaths in one run; `CRASHES` names another number.
const ROUNDS: usize = 12;

/// The server dies at a random moment of a push: afterwards it serves the old refs or the new ones.
pub fn crash(trip: &Trip<'_>) -> Result<Option<String>> {
    if trip.target.kind == Kind::Git {
        return Ok(None);
    }
    if std::env::var_os("WORKERS_URL").is_some() {
        return Ok(Some("only a server that was started here is killed".into()));
    }
    // A server of its own: others must not feel it.
    let target = Target::start(trip.target.kind, trip.folder)?;
    let fixture = trip.fixtures.get("files-5000")?;
    let own = Trip { target: &target, ..*trip };
    let rounds = rounds()?;
    let (mut seed, mut outcomes) = (Seed(1), [0, 0]);
    let path = target.create("measured", "refs/heads/main")?;
    let started = Instant::now();
    run(git(&fixture.served, &["push", "--quiet", &target.url(&path), "main"]))?;
    let whole = started.elapsed();
    for round in 0..rounds {
        let path = target.create("crash", "refs/heads/main")?;
        let part = seed.below(1100) as u32;
        let is_new = crash_at(&own, &fixture, &path, whole * part / 1000)
            .with_context(|| format!("round {round}, killed at {part}/1000 of a push"))?;
        outcomes[usize::from(is_new)] += 1;
    }
    ensure!(outcomes[0] > 0, "no push was interrupted: {outcomes:?}");
    println!("{rounds} deaths: {} times the old ref, {} the new", outcomes[0], outcomes[1]);
    Ok(None)
}

/// True: the new ref is there.
fn crash_at(trip: &Trip<'_>, fixture: &Fixture, path: &str, moment: Duration) -> Result<bool> {
    let target = trip.target;
    let mut push =
        start(&mut git(&fixture.served, &["push", "--quiet", &target.url(path), "main"]))?;
    std::thread::sleep(moment);
    target.crash()?;
    let told = push.wait()?.success();
    let url = target.url(path);
    let listed = text(&fixture.served, &["ls-remote", &url, "refs/heads/main"])?;
    let new = fixture.oid("main")?;
    let is_new = match listed.split('\t').next() {
        Some("") | None => false,
        Some(oid) if oid == new => true,
        _ => bail!("main is neither old nor new: {listed}"),
    };
    ensure!(is_new || !told, "the client was told of a push that is lost");
    if is_new {
        crate::run::whole(&url, trip.folder)?;
    } else {
        run(git(&fixture.served, &["push", "--quiet", &url, "main"])).context("pushed again")?;
    }
    Ok(is_new)
}

/// An import dies at a random moment: done again, it has brought all refs, and everything is whole.
pub fn import(trip: &Trip<'_>) -> Result<Option<String>> {
    if trip.target.kind != Kind::Native {
        return Ok(None);
    }
    let fixture = trip.fixtures.get("files-5000")?;
    let rounds = rounds()?.div_ceil(3);
    let (mut seed, mut killed) = (Seed(3), 0);
    let gitcell = |words: &[&str]| -> Result<Command> {
        let mut command = Command::new(binary()?);
        command.current_dir(trip.folder).args(words).args(["--data", "data"]);
        Ok(command)
    };
    let source = fixture.served.to_str().context("a path in UTF-8")?;
    let started = Instant::now();
    run(gitcell(&["import", source, "all/measured"])?)?;
    let whole = started.elapsed();
    for round in 0..rounds {
        let name = format!("all/import-{round}");
        let part = seed.below(800) as u32;
        // git, which it starts, dies with it.
        let mut import = gitcell(&["import", source, &name])?;
        import.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut import = import.spawn()?;
        std::thread::sleep(whole * part / 1000);
        kill_group(&import)?;
        let is_over = import.wait()?.success();
        if !is_over {
            killed += 1;
            // It may have died after its last deed.
            let again = run(gitcell(&["import", source, &name])?);
            let is_there = |error: &anyhow::Error| format!("{error:#}").contains("exists already");
            if let Some(error) = again.err().filter(|error| !is_there(error)) {
                return Err(error.context(format!("round {round}, killed at {part}/1000")));
            }
        }
        run(gitcell(&["fsck", &name])?)?;
        let (bundle, clone) = (format!("bundle-{round}"), format!("clone-{round}"));
        run(gitcell(&["export", &name, &bundle])?)?;
        run(git(trip.folder, &["clone", "--quiet", "--mirror", &bundle, &clone]))?;
        let clone = trip.path(&clone);
        super::same_refs(&fixture.served, &clone)
            .with_context(|| format!("round {round}, killed at {part}/1000"))?;
        std::fs::remove_dir_all(clone)?;
        // Only what an import began may be filled by another.
        ensure!(run(gitcell(&["import", source, &name])?).is_err(), "imported over another");
    }
    ensure!(killed > 0, "no import was interrupted");
    println!("{rounds} imports, {killed} of them killed: all are whole");
    Ok(None)
}

/// A git that hears at its first two pushes what a server says of more objects than it takes.
const REFUSED: &str = "#!/bin/sh
PATH=${PATH#*:}
case \" $* \" in *\" push \"*)
    for what; do :; done
    echo \"$what\" >>pushes
    if [ $(wc -l <pushes) -le 2 ]; then
        echo 'error: remote unpack failed: the pack has too many objects for one push' >&2
        exit 1
    fi
esac
exec git \"$@\"
";

/// An import of a history with too many objects for one push goes in parts, and is whole.
pub fn import_in_parts(trip: &Trip<'_>) -> Result<Option<String>> {
    if trip.target.kind != Kind::Native {
        return Ok(None);
    }
    let fixture = trip.fixtures.get("linear-3")?;
    let shim = trip.path("bin/git");
    trip.write("bin", "git", REFUSED)?;
    std::fs::set_permissions(&shim, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let path = std::env::var("PATH").context("a path")?;
    let bin = trip.path("bin").canonicalize()?;
    let gitcell = |words: &[&str]| -> Result<Vec<u8>> {
        let mut command = Command::new(binary()?);
        command.current_dir(trip.folder).args(words).args(["--data", "data"]);
        command.env("PATH", format!("{}:{path}", bin.display()));
        run(command)
    };
    let source = fixture.served.to_str().context("a path in UTF-8")?;
    gitcell(&["import", source, "all/parts"])?;
    let all = "+refs/*:refs/*".to_string();
    let part = |of: &str| Ok::<_, anyhow::Error>(format!("{}:refs/heads/main", fixture.oid(of)?));
    let expect =
        [all.clone(), part("main~1")?, part("main~2")?, part("main~1")?, part("main")?, all];
    let pushes = std::fs::read_to_string(trip.path("pushes"))?;
    ensure!(pushes.lines().eq(&expect), "pushed were {pushes}, not {expect:?}");
    gitcell(&["fsck", "all/parts"])?;
    gitcell(&["export", "all/parts", "bundle"])?;
    run(git(trip.folder, &["clone", "--quiet", "--mirror", "bundle", "clone"]))?;
    super::same_refs(&fixture.served, &trip.path("clone"))?;
    Ok(None)
}

fn rounds() -> Result<usize> {
    let rounds = std::env::var("CRASHES").map_or(Ok(ROUNDS), |count| count.parse());
    rounds.context("CRASHES is a number")
}

/// Ends a process and all that it started, if they are not over already.
fn kill_group(leader: &Child) -> Result<()> {
    let group = format!("-{}", leader.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status()?;
    Ok(())
}

/// The client dies in the middle: the refs stay, and the next push succeeds.
pub fn cut_client(trip: &Trip<'_>) -> Result<Option<String>> {
    let fixture = trip.fixtures.get("files-5000")?;
    let url = trip.create("cut-client")?;
    let mut seed = Seed(2);
    for round in 0..5 {
        let mut push = git(&fixture.served, &["push", "--quiet", &url, "main"]);
        // The helper that holds the connection dies with it.
        let mut push = start(push.process_group(0)).context("push")?;
        std::thread::sleep(Duration::from_millis(20 + seed.below(300) as u64));
        kill_group(&push)?;
        push.wait()?;
        let listed = text(&fixture.served, &["ls-remote", &url])?;
        let new = fixture.oid("main")?;
        let is_whole = listed.lines().all(|line| line.starts_with(&new));
        ensure!(is_whole, "round {round}: {listed}");
    }
    // A server that has all of an earlier push may still be at it: then this one comes second.
    let again = || run(git(&fixture.served, &["push", "--quiet", &url, "main"]));
    if again().is_err() {
        std::thread::sleep(Duration::from_secs(2));
        again()?;
    }
    crate::run::whole(&url, trip.folder)?;
    Ok(None)
}
