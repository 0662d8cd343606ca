//! Real git, cut off from the machine's settings. Knows no server.

use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// What both the clients and git's own server are set to.
const SETTINGS: &[(&str, &str)] = &[
    ("advice.detachedHead", "false"),
    ("advice.pushUpdateRejected", "false"),
    // What old tools wrote into histories that people have is let pass, as the engine does.
    ("fsck.badTimezone", "warn"),
    ("fsck.missingSpaceBeforeDate", "warn"),
    ("fsck.zeroPaddedFilemode", "warn"),
    ("gc.auto", "0"),
    ("http.receivepack", "true"),
    ("init.defaultBranch", "main"),
    ("maintenance.auto", "false"),
    ("protocol.file.allow", "always"),
    ("receive.advertisePushOptions", "true"),
    ("receive.autoGC", "false"),
    ("receive.fsck.badTimezone", "warn"),
    ("receive.fsck.missingSpaceBeforeDate", "warn"),
    ("receive.fsck.zeroPaddedFilemode", "warn"),
    ("receive.fsckObjects", "true"),
    ("safe.directory", "*"),
    ("transfer.advertiseSID", "true"),
    ("uploadpack.allowFilter", "true"),
    ("uploadpack.allowReachableSHA1InWant", "true"),
    ("uploadpack.allowSidebandAll", "true"),
    ("uploadpack.allowTipSHA1InWant", "true"),
    ("user.email", "ada@example.org"),
    ("user.name", "Ada"),
];

/// A git command in `folder`, with the same settings, names and dates on every machine.
pub fn git(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).args(words);
    isolate(&mut command);
    command
}

/// Gives `command` the settings of this suite, and none of the machine's.
pub fn isolate(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_CONFIG_COUNT", SETTINGS.len().to_string());
    for (at, (key, value)) in SETTINGS.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{at}"), key);
        command.env(format!("GIT_CONFIG_VALUE_{at}"), value);
    }
    command.env("GIT_AUTHOR_DATE", "1700000000 +0000");
    command.env("GIT_COMMITTER_DATE", "1700000000 +0000");
    command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").env("TZ", "UTC");
    command.env_remove("http_proxy").env_remove("HTTP_PROXY");
    command.stdin(Stdio::null());
}

/// Writes the settings of this suite as a file, which a repository's own overrule.
pub fn write_settings(path: &Path) -> Result<()> {
    let mut text = String::new();
    for (key, value) in SETTINGS {
        let (section, name) = key.rsplit_once('.').expect("a key has a section");
        let section = match section.split_once('.') {
            Some((section, part)) => format!("{section} \"{part}\""),
            None => section.to_string(),
        };
        text.push_str(&format!("[{section}]\n\t{name} = {value}\n"));
    }
    std::fs::write(path, text).with_context(|| format!("{}", path.display()))
}

/// Runs to the end and answers what was printed; a failure tells what git said.
pub fn run(mut command: Command) -> Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    finish(&command, output)
}

/// The same, with bytes for its standard input.
pub fn run_with(mut command: Command, input: &[u8]) -> Result<Vec<u8>> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
    let output = std::thread::scope(|scope| {
        let mut stdin = child.stdin.take().expect("it is piped");
        // A command that ends early closes its input; its own words say why.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output()
    })?;
    finish(&command, output)
}

/// `git WORDS` in `folder`: its output as text, without the last line's end.
pub fn text(folder: &Path, words: &[&str]) -> Result<String> {
    let output = run(git(folder, words))?;
    Ok(String::from_utf8_lossy(&output).trim_end_matches('\n').to_string())
}

/// `git WORDS` in `folder`, expected to fail: what it said.
pub fn refusal(folder: &Path, words: &[&str]) -> Result<String> {
    let output = git(folder, words).output()?;
    if output.status.success() {
        bail!("git {} succeeded, and should not", words.join(" "));
    }
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Starts without waiting, silent.
pub fn start(command: &mut Command) -> Result<Child> {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().with_context(|| format!("{command:?}"))
}

fn finish(command: &Command, output: Output) -> Result<Vec<u8>> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("git {} failed with {}:\n{}", words.join(" "), output.status, said.trim_end())
}
