//! The endpoint that the handlers of the demo call: HTTP on the loopback address.
//!
//! It answers what [`fate`] says, slowly enough for a backlog to form, and writes every request
//! that it finished into its [`Journal`]. A thread serves each connection: workers keep as many
//! open as they run handlers. It knows nothing of the broker.

use std::collections::BTreeMap;
use std::io::{self, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;

use self::request::Request;
use super::fate;
use super::journal::{Entry, Journal};

mod request;

/// How long a request takes. With 10 handlers in a worker that is 200 messages a second: some
/// thousand orders are more than one worker can do at once, and still done in half a minute.
const WORK: Duration = Duration::from_millis(50);

/// What a request gets that does not come from a worker of the demo.
const NOT_FOUND: u16 = 404;

/// The endpoint, which serves until the process ends.
#[derive(Debug)]
pub(super) struct Receiver {
    address: SocketAddr,
    journal: Arc<Journal>,
}

impl Receiver {
    /// Begins to serve `queues`, each with the status that its handler takes for done.
    ///
    /// # Errors
    /// When there is no port or thread for it.
    pub(super) fn start(journal: Journal, queues: BTreeMap<String, u16>) -> anyhow::Result<Self> {
        let what = "open a port for the receiver";
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context(what)?;
        let address = listener.local_addr().context(what)?;
        let journal = Arc::new(journal);
        let desk = Arc::new(Desk { queues, journal: Arc::clone(&journal) });
        thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || desk.accept(&listener))
            .context("start the receiver")?;
        Ok(Self { address, journal })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it wrote down.
    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }
}

/// What all connections share.
#[derive(Debug)]
struct Desk {
    queues: BTreeMap<String, u16>,
    journal: Arc<Journal>,
}

impl Desk {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            let desk = Arc::clone(self);
            let served = stream.and_then(|stream| {
                thread::Builder::new().spawn(move || {
                    if let Err(error) = desk.serve(&stream) {
                        eprintln!("receiver: {error:#}");
                    }
                })
            });
            if let Err(error) = served {
                eprintln!("receiver: accept a connection: {error}");
            }
        }
    }

    /// Answers one request after another until the worker closes the connection; a worker that was
    /// killed closes it too.
    fn serve(&self, stream: &TcpStream) -> anyhow::Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let request = match Request::read(&mut reader) {
                Ok(Some(request)) => request,
                Ok(None) => return Ok(()),
                Err(error) if is_hang_up(&error) => return Ok(()),
                Err(error) => return Err(error).context("read a request"),
            };
            if !self.answer(stream, request)? {
                return Ok(());
            }
        }
    }

    /// Answers a request; `false` when nobody waits for it any more. What is written down was
    /// answered: a run that was cut off is not a finished one.
    fn answer(&self, stream: &TcpStream, request: Request) -> anyhow::Result<bool> {
        let Some((entry, success)) = self.entry(request) else {
            return Ok(send(stream, NOT_FOUND).is_ok());
        };
        thread::sleep(WORK);
        let status = fate::status(&entry.queue, &entry.id, entry.attempt, success);
        if is_closed(stream).unwrap_or(true) || send(stream, status).is_err() {
            return Ok(false);
        }
        self.journal.write(Entry { status, ..entry })?;
        Ok(true)
    }

    /// The entry for a request, without a status yet, and the status that means done.
    fn entry(&self, request: Request) -> Option<(Entry, u16)> {
        let queue = request.queue?;
        let success = *self.queues.get(&queue)?;
        let entry = Entry { queue, id: request.id?, attempt: request.attempt?, status: 0 };
        Some((entry, success))
    }
}

fn send(mut stream: &TcpStream, status: u16) -> io::Result<()> {
    // The reason phrase may be empty (RFC 9112, section 4).
    let answer = format!("HTTP/1.1 {status} \r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes())
}

/// Whether the other side has closed the connection.
fn is_closed(stream: &TcpStream) -> io::Result<bool> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    match peeked {
        Ok(read) => Ok(read == 0),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// The ways in which a process that was killed ends its connections.
fn is_hang_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
    )
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use tempfile::TempDir;

    use super::*;
    use crate::deadline;

    fn receiver() -> (TempDir, Receiver) {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::create(&folder.path().join("received")).expect("a file");
        let queues = BTreeMap::from([("invoice".to_owned(), 201)]);
        let receiver = Receiver::start(journal, queues).expect("a port");
        (folder, receiver)
    }

    fn request(id: &str) -> String {
        format!(
            "PUT /invoice HTTP/1.1\r\nHost: x\r\nWarren-Queue: invoice\r\nwebhook-id: {id}\r\n\
             Warren-Attempt: 2\r\nContent-Length: 2\r\n\r\n{{}}"
        )
    }

    fn answer(stream: &mut TcpStream) -> String {
        let mut bytes = [0; 64];
        let read = stream.read(&mut bytes).expect("an answer");
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    #[test]
    fn a_connection_carries_one_request_after_another() {
        let (_folder, receiver) = receiver();
        let mut stream = TcpStream::connect(receiver.address()).expect("connected");
        for id in ["first", "second"] {
            stream.write_all(request(id).as_bytes()).expect("sent");
            assert!(answer(&mut stream).starts_with("HTTP/1.1 201 \r\n"));
        }
        let written = deadline::wait_for(Duration::from_secs(10), || {
            Ok((receiver.journal().ended() == 2).then_some(()))
        });
        assert_eq!(written.expect("no error"), Some(()));
    }

    #[test]
    fn a_stranger_is_not_written_down() {
        let (_folder, receiver) = receiver();
        let mut stream = TcpStream::connect(receiver.address()).expect("connected");
        stream.write_all(b"GET /invoice HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
        assert!(answer(&mut stream).starts_with("HTTP/1.1 404 \r\n"));
        assert_eq!(receiver.journal().ended(), 0);
    }

    #[test]
    fn a_run_that_was_cut_off_is_not_a_finished_one() {
        let (_folder, receiver) = receiver();
        let mut cut = TcpStream::connect(receiver.address()).expect("connected");
        cut.write_all(request("first").as_bytes()).expect("sent");
        drop(cut);
        // Longer on its way than the first one, which is decided when this one is.
        let mut whole = TcpStream::connect(receiver.address()).expect("connected");
        for id in ["second", "third"] {
            whole.write_all(request(id).as_bytes()).expect("sent");
            answer(&mut whole);
        }
        let written = deadline::wait_for(Duration::from_secs(10), || {
            Ok((receiver.journal().ended() == 2).then_some(()))
        });
        assert_eq!(written.expect("no error"), Some(()));
        let done = receiver.journal().read().expect("readable").done();
        let ids: Vec<_> = done.iter().map(|copy| copy.id.as_str()).collect();
        assert_eq!(ids, ["second", "third"]);
    }
}
