//! A PostgreSQL cluster of the test's own, which can be stopped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// A number that nobody else of this process has.
pub fn next_number() -> u16 {
    static NUMBER: AtomicU16 = AtomicU16::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// A cluster that flushes to the disk, as one of production does.
pub struct Cluster {
    pub folder: PathBuf,
    pub port: u16,
    settings: Vec<(String, String)>,
}

fn from_test_command(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with ./test"))
}

impl Cluster {
    /// A cluster in the folder of the test command, which removes it at its
    /// end, whatever becomes of this process. `settings` go into its environment.
    pub fn start_with(settings: &[(&str, &Path)]) -> Self {
        let parent = PathBuf::from(from_test_command("TEST_POSTGRES_FOLDER"));
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.display().to_string()))
            .collect();
        let folder = parent.join(format!("trust-{}-{}", std::process::id(), next_number()));
        let cluster = Self { port: free_port(), folder, settings };
        let is_made = cluster
            .program("initdb")
            .args(["-U", "accolade", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"])
            .status();
        assert!(is_made.unwrap().success(), "initdb fails");
        cluster.start();
        cluster
    }

    /// One of PostgreSQL's programs, as the user that it may run as.
    fn program(&self, name: &str) -> Command {
        let program = Path::new(&from_test_command("TEST_POSTGRES_PROGRAMS")).join(name);
        let run_as = from_test_command("TEST_POSTGRES_RUN_AS");
        let mut words = run_as.split_whitespace();
        let mut command = match words.next() {
            Some(first) => {
                let mut command = Command::new(first);
                command.args(words).arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .arg("-D")
            .arg(&self.folder)
            .current_dir(self.folder.parent().unwrap())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Starts it, and waits until it takes connections.
    pub fn start(&self) {
        let options = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c max_connections=50 -c shared_buffers=32MB",
            self.port,
            self.folder.display(),
        );
        let log = self.folder.join("server.log");
        let started = self
            .program("pg_ctl")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .args(["-w", "-t", "60", "-o", &options, "-l"])
            .arg(&log)
            .arg("start")
            .status();
        assert!(started.unwrap().success(), "{}", std::fs::read_to_string(log).unwrap_or_default());
    }

    /// Stops it as if it had crashed: nothing is finished, nothing is flushed.
    pub fn stop(&self) {
        let stopped = self.program("pg_ctl").args(["-m", "immediate", "stop"]).status();
        assert!(stopped.unwrap().success());
    }

    pub fn url(&self) -> String {
        format!("postgres://accolade@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.program("pg_ctl").args(["-m", "immediate", "stop"]).status());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// A port below those that systems give to outgoing connections, which might
/// take it while the cluster is down.
fn free_port() -> u16 {
    let start = u16::try_from(std::process::id() % 7_000).unwrap() + next_number();
    (0..1_000)
        .map(|step| 20_000 + start + step)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("no port is free")
}
