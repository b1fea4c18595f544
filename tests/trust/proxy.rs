//! A way to PostgreSQL that can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const OPEN: u8 = 0;
/// Whoever connects is turned away.
const CUT: u8 = 1;
/// Connections stand, and nothing comes through.
const SILENT: u8 = 2;

/// A proxy on a port of its own.
#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    state: Arc<AtomicU8>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// Before a server at an address such as `127.0.0.1:5432`.
    pub fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self { port, state: Arc::default(), streams: Arc::default() };
        let of_thread = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if of_thread.state.load(Ordering::SeqCst) != CUT {
                    of_thread.join(client.unwrap(), TcpStream::connect(&server).unwrap());
                }
            }
        });
        proxy
    }

    fn join(&self, client: TcpStream, server: TcpStream) {
        let mut streams = self.streams.lock().unwrap();
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let state = self.state.clone();
            std::thread::spawn(move || pump(from, to, &state));
        }
        streams.extend([client, server]);
    }

    /// Cuts every connection, and turns new ones away.
    pub fn cut(&self) {
        self.state.store(CUT, Ordering::SeqCst);
        for stream in self.streams.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Lets nothing through, and says nothing of it.
    pub fn silence(&self) {
        self.state.store(SILENT, Ordering::SeqCst);
    }

    /// Lets everything through again.
    pub fn open(&self) {
        self.state.store(OPEN, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, state: &AtomicU8) {
    let mut buffer = [0; 16_384];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        while state.load(Ordering::SeqCst) == SILENT {
            std::thread::sleep(Duration::from_millis(5));
        }
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            drop(to.shutdown(Shutdown::Both));
            return;
        }
    }
}
