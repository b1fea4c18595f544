//! A PostgreSQL cluster of the test's own, which can be stopped.

use super::Trial;
use super::processes::run;
use super::service::Home;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// A number that nobody else of this process has.
pub fn next_number() -> u16 {
    static NUMBER: AtomicU16 = AtomicU16::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// A cluster that flushes to the disk, as one of production does, and sums up
/// its pages.
pub struct Cluster {
    pub folder: PathBuf,
    pub port: u16,
    settings: Vec<(String, String)>,
}

/// What `pg_amcheck` finds wrong in a database: with its tables, its indexes,
/// and what is in the ones and not in the others. Nothing where PostgreSQL came
/// without that program.
pub fn damage_in(url: &str) -> Option<String> {
    let program = path_of("pg_amcheck");
    if !program.exists() {
        eprintln!("{} is not there: tables and indexes are not checked", program.display());
        return None;
    }
    let mut check = Command::new(program);
    check.args(["--install-missing", "--heapallindexed", url]);
    let (is_sound, said) = run(check);
    (!is_sound).then_some(said)
}

/// Where one of PostgreSQL's programs is: beside the others, or beside what they
/// are links to.
fn path_of(program: &str) -> PathBuf {
    let folder = PathBuf::from(from_test_command("TEST_POSTGRES_PROGRAMS"));
    let linked = folder.join("initdb").canonicalize().unwrap().with_file_name(program);
    Some(folder.join(program)).filter(|path| path.exists()).unwrap_or(linked)
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
        let mut initdb = cluster.program("initdb");
        initdb.args(["-k", "-U", "accolade", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]);
        let (is_made, said) = run(initdb);
        assert!(is_made, "{said}");
        cluster.start();
        cluster
    }

    /// One of PostgreSQL's programs, as the user that it may run as.
    fn program(&self, name: &str) -> Command {
        let program = path_of(name);
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
        command.arg("-D").arg(&self.folder).current_dir(self.folder.parent().unwrap());
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
        let mut start = self.program("pg_ctl");
        start
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .args(["-w", "-t", "60", "-o", &options, "-l"])
            .arg(&log)
            .arg("start");
        let (is_started, said) = run(start);
        assert!(is_started, "{said}{}", std::fs::read_to_string(log).unwrap_or_default());
    }

    /// Stops it, and waits until it has ended: `immediate`, as if it had
    /// crashed, nothing being finished or flushed; or `fast`, as an
    /// administrator does, who tells everybody and finishes.
    pub fn stop(&self, mode: &str) {
        let (is_stopped, said) = self.try_to_stop(mode);
        assert!(is_stopped, "{said}");
    }

    fn try_to_stop(&self, mode: &str) -> (bool, String) {
        let mut stop = self.program("pg_ctl");
        stop.args(["-m", mode, "stop"]);
        run(stop)
    }

    /// What `pg_checksums` finds wrong with the sums of all pages of a cluster
    /// that was stopped well.
    pub fn damage(&self) -> Option<String> {
        let mut check = self.program("pg_checksums");
        check.arg("--check");
        let (is_sound, said) = run(check);
        (!is_sound).then_some(said)
    }

    pub fn url(&self) -> String {
        format!("postgres://accolade@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.try_to_stop("immediate");
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

#[test]
fn damage_is_found() {
    let _trial = Trial::begin("damage", Duration::from_secs(120));
    let cluster = Cluster::start_with(&[]);
    let home = Home::on_postgres(cluster.url());
    home.execute(
        "CREATE TABLE things (thing_id BIGINT PRIMARY KEY);
         INSERT INTO things SELECT generate_series(1, 1000);",
    );
    assert_eq!(damage_in(&cluster.url()), None);
    let be_ready = |is_ready: bool| {
        home.execute(&format!(
            "UPDATE pg_index SET indisready = {is_ready} WHERE indexrelid = 'things_pkey'::regclass"
        ));
    };
    be_ready(false);
    home.execute("INSERT INTO things VALUES (1001)");
    be_ready(true);
    if path_of("pg_amcheck").exists() {
        let found = damage_in(&cluster.url()).expect("a row that its index lacks");
        assert!(found.contains("lacks matching index tuple"), "{found}");
    }

    let database =
        "SELECT CAST(oid AS BIGINT) AS n FROM pg_database WHERE datname = current_database()";
    let table = "SELECT CAST(pg_relation_filenode('things') AS BIGINT) AS n";
    let file = format!("base/{}/{}", home.count(database), home.count(table));
    cluster.stop("fast");
    assert_eq!(cluster.damage(), None);
    let file = cluster.folder.join(file);
    let mut pages = std::fs::read(&file).unwrap();
    pages[8_000] ^= 1;
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().write_all(&pages).unwrap();
    let found = cluster.damage().expect("a page that is not what it was");
    assert!(found.contains("checksum verification failed"), "{found}");
}
