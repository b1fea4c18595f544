//! The processes that the trials start. None of them outlives its trial, also
//! where that takes too long.

use std::io::Read;
use std::process::{Child, ChildStdout, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// All that were started, until they are dropped.
static STARTED: Mutex<Vec<Weak<Mutex<Child>>>> = Mutex::new(Vec::new());

/// A process, which is killed where it is dropped.
pub struct Process {
    child: Arc<Mutex<Child>>,
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        started.retain(|child| child.strong_count() > 0);
        let child = Arc::new(Mutex::new(command.spawn().unwrap()));
        started.push(Arc::downgrade(&child));
        Self { child }
    }

    /// What it writes to a pipe.
    pub fn stdout(&self) -> ChildStdout {
        self.child.lock().unwrap().stdout.take().unwrap()
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits until it ends by itself.
    pub fn wait(&self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.lock().unwrap().try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&self.child);
    }
}

fn end(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    drop(child.kill());
    drop(child.wait());
}

/// Ends this process and all that it has started.
pub fn end_with_all() -> ! {
    // Nothing is started any more while this is held.
    let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    started.iter().filter_map(Weak::upgrade).for_each(|child| end(&child));
    std::process::exit(1);
}

/// Runs a program to its end; whether that is a good one, and what it said.
pub fn run(mut command: Command) -> (bool, String) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let process = Process::start(&mut command);
    // It has the ends that are written to.
    drop(command);
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    (process.wait().success(), said)
}
