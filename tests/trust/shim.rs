//! The library that is preloaded into a process, to see its flushes to the
//! disk, to make the disk fail, or to end it before it answers: `shim.c`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The library, compiled, and the files that it writes and reads, in a folder
/// that another user may use too.
pub struct Shim {
    pub library: PathBuf,
    pub trace: PathBuf,
    /// Where this file exists, what it says fails.
    pub fault: PathBuf,
    _folder: tempfile::TempDir,
}

impl Shim {
    /// With what a process ends that was to fail as a whole.
    pub const EXIT_CODE: i32 = 86;

    pub fn build() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let all = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path(), all(0o755)).unwrap();
        let [library, trace, fault] =
            ["shim.so", "trace", "fault"].map(|name| folder.path().join(name));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trust/shim.c");
        let built = Command::new("cc")
            .args(["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .output()
            .expect("the C compiler, with which SQLite is built too");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        std::fs::write(&trace, "").unwrap();
        std::fs::set_permissions(&trace, all(0o666)).unwrap();
        Self { library, trace, fault, _folder: folder }
    }

    /// Has something fail: the disk, `full` or `sync`; or the whole process,
    /// before the next `answer` to a POST or after the next `commit` of one.
    pub fn fail(&self, how: &str) {
        // Put into place whole, so that nobody reads half of it.
        let aside = self.fault.with_extension("new");
        std::fs::write(&aside, how).unwrap();
        std::fs::rename(aside, &self.fault).unwrap();
    }

    /// Has everything work again.
    pub fn mend(&self) {
        std::fs::remove_file(&self.fault).unwrap();
    }

    /// What was seen so far, in the order of its instants.
    pub fn seen(&self) -> Trace {
        let mut seen = Trace::default();
        for line in std::fs::read_to_string(&self.trace).unwrap().lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let nanos = |at: usize| words[at].parse::<u64>().unwrap();
            match words[0] {
                "in" => seen.requests.push(Message::new(nanos(1), words[2], &words[3..])),
                "out" => seen.answers.push(Message::new(nanos(1), words[2], &words[3..])),
                "sync" if words[3] == "0" => seen.flushes.push(Flush {
                    from: nanos(1),
                    to: nanos(2),
                    path: words[4..].join(" "),
                }),
                "sync" => {}
                _ => panic!("{line}"),
            }
        }
        seen.requests.sort_by_key(|message| message.at);
        seen.answers.sort_by_key(|message| message.at);
        seen
    }
}

/// A request that was read, or an answer that is about to be written.
#[derive(Debug, Clone)]
pub struct Message {
    pub at: u64,
    /// The socket's descriptor.
    pub socket: String,
    pub line: String,
}

impl Message {
    fn new(at: u64, socket: &str, line: &[&str]) -> Self {
        Self { at, socket: socket.to_owned(), line: line.join(" ") }
    }
}

/// A flush to the disk that succeeded.
#[derive(Debug, Clone)]
pub struct Flush {
    pub from: u64,
    pub to: u64,
    pub path: String,
}

/// What the library saw.
#[derive(Debug, Default)]
pub struct Trace {
    pub requests: Vec<Message>,
    pub answers: Vec<Message>,
    pub flushes: Vec<Flush>,
}

impl Trace {
    /// Each request to paths that begin so, with its answer.
    pub fn exchanges(&self, begins: &str) -> Vec<(&Message, &Message)> {
        let of = |request: &Message| {
            self.answers
                .iter()
                .find(|answer| answer.socket == request.socket && answer.at > request.at)
        };
        let wanted = self.requests.iter().filter(|request| request.line.starts_with(begins));
        wanted.map(|request| (request, of(request).expect("an answer"))).collect()
    }

    /// Whether a flush of a file whose path has this in it began after one
    /// instant and was over before another.
    pub fn is_flushed_between(&self, file: &str, from: u64, to: u64) -> bool {
        self.flushes
            .iter()
            .any(|flush| flush.path.contains(file) && flush.from > from && flush.to < to)
    }
}
