//! Real git, in a folder that is deleted afterwards: makes packs and judges them.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bare repository.
pub struct Git {
    folder: PathBuf,
}

impl Git {
    /// Of the hash function that its name ends in, or SHA-1.
    pub fn new(name: &str) -> Git {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("gitcell-{}-{count}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(unique);
        let git = Git { folder };
        drop(std::fs::remove_dir_all(&git.folder));
        std::fs::create_dir_all(&git.folder).expect("a temporary folder");
        let format = if name.ends_with("sha256") { "sha256" } else { "sha1" };
        let format = format!("--object-format={format}");
        git.run(&["init", "-q", "--bare", "-b", "main", &format], b"");
        git
    }

    /// Runs git, feeds it `input`, gives what it printed; panics if it fails.
    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        self.try_run(arguments, input).unwrap_or_else(|text| panic!("git {arguments:?}: {text}"))
    }

    pub fn try_run(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        let mut child = Command::new("git")
            .args(arguments)
            .current_dir(&self.folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("git is installed");
        let mut stdin = child.stdin.take().expect("it is piped");
        let input = input.to_vec();
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("git ends");
        feeder.join().expect("it does not panic");
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// What git prints, without the line's end.
    pub fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, b"");
        String::from_utf8(output).expect("text").trim_end().to_owned()
    }

    /// All ids that these revisions (`git rev-list` arguments) lead to, sorted.
    pub fn objects(&self, revisions: &[&str]) -> Vec<String> {
        let arguments = [&["rev-list", "--objects", "--no-object-names"], revisions].concat();
        let mut ids: Vec<String> = self.text(&arguments).lines().map(str::to_owned).collect();
        ids.sort();
        ids
    }

    /// A pack of what these revisions lead to.
    pub fn pack(&self, revisions: &[&str], options: &[&str]) -> Vec<u8> {
        let arguments = [&["pack-objects", "-q", "--revs", "--stdout"], options].concat();
        let input = revisions.join("\n") + "\n";
        self.run(&arguments, input.as_bytes())
    }

    /// Bytes of its files whose names end so; "": of all, objects' and others'.
    pub fn bytes(&self, end: &str) -> u64 {
        let (mut folders, mut bytes) = (vec![self.folder.join("objects")], 0);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                match path.metadata().expect("a file") {
                    file if file.is_dir() => folders.push(path),
                    file if path.to_string_lossy().ends_with(end) => bytes += file.len(),
                    _ => {}
                }
            }
        }
        bytes
    }

    /// The ids in a pack, sorted. The repository has the bases if it is thin.
    pub fn ids_in(&self, pack: &[u8]) -> Vec<String> {
        let name = self.run(&["index-pack", "--stdin", "--fix-thin"], pack);
        let name = String::from_utf8(name).expect("text");
        let name = name.trim().split('\t').nth(1).expect("pack and name").to_owned();
        let index = self.folder.join(format!("objects/pack/pack-{name}.idx"));
        let index = std::fs::read(index).expect("an index");
        let listed = self.run(&["show-index"], &index);
        let listed = String::from_utf8(listed).expect("text");
        let id = |line: &str| line.split(' ').nth(1).expect("offset id crc").to_owned();
        let mut ids: Vec<String> = listed.lines().map(id).collect();
        ids.sort();
        ids
    }
}

impl Drop for Git {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// A linear history with deltas, folders, an annotated tag and a side branch, as `git fast-import`
/// reads it.
pub fn history(commits: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let text = |file: usize, version: usize| {
        let line = |n: usize| {
            let edit = if n % 40 == file % 40 { version } else { 0 };
            format!("line {n} of file {file}, as edited in {edit}\n")
        };
        (0..60 + file % 50).map(line).collect::<String>()
    };
    for n in 1..=commits {
        let branch = if n % 7 == 0 { "side" } else { "main" };
        let who = format!("A U Thor <author@example.com> {} +0000", 1_700_000_000 + n * 60);
        let head = format!("commit refs/heads/{branch}\nmark :{n}\ncommitter {who}\n");
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(format!("data 8\nchange {}\n", n % 10).as_bytes());
        if n == 7 {
            out.extend_from_slice(b"from :6\n");
        }
        if n % 21 == 13 {
            out.extend_from_slice(format!("merge :{}\n", n / 7 * 7).as_bytes());
        }
        for file in [n % 13, n % 5] {
            let content = text(file, n);
            let path = format!("dir{}/sub{}/file{file}", file % 3, file % 2);
            out.extend_from_slice(format!("M 100644 inline {path}\n").as_bytes());
            out.extend_from_slice(format!("data {}\n{content}\n", content.len()).as_bytes());
        }
    }
    out.extend_from_slice(
        b"tag v1\nfrom :5\ntagger A U Thor <author@example.com> 1700000000 +0000\ndata 3\none\n",
    );
    out.extend_from_slice(b"done\n");
    out
}
