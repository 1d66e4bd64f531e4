//! An HTTP client that can misbehave: it writes and reads bytes, and nothing else.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        Self(TcpStream::connect(to).await.unwrap())
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    }

    /// Tells the server that nothing more will be sent.
    pub(crate) async fn half_close(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Sends `text` a byte at a time until the server hangs up; gives the time that took and what
    /// the server said.
    pub(crate) async fn send_slowly(self, text: &str) -> (Duration, String) {
        let begun = Instant::now();
        let (mut read, mut write) = self.0.into_split();
        let drip = async {
            for byte in text.bytes().cycle() {
                if write.write_all(&[byte]).await.is_err() {
                    break;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let mut answer = Vec::new();
        tokio::select! {
            // The reset that follows bytes sent after the end is an end too.
            _ = read.read_to_end(&mut answer) => {}
            () = drip => {}
            () = sleep(PATIENCE) => panic!("the server did not hang up"),
        }
        (begun.elapsed(), String::from_utf8(answer).unwrap())
    }

    /// The next answer: its head, and its body as far as Content-Length says.
    pub(crate) async fn answer(&mut self) -> String {
        timeout(PATIENCE, self.read_answer()).await.expect("the server answers")
    }

    /// Whatever the server still says until it hangs up.
    pub(crate) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A connection that is reset is closed as well.
        let _ =
            timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.expect("the server hangs up");
        String::from_utf8(bytes).unwrap()
    }

    /// Whether the server says nothing and does not hang up for this long.
    pub(crate) async fn hears_nothing_for(&mut self, time: Duration) -> bool {
        timeout(time, self.0.read(&mut [0; 64])).await.is_err()
    }

    async fn read_answer(&mut self) -> String {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && body.len() >= content_length(head)
            {
                return text;
            }
            let read = self.0.read_buf(&mut bytes).await.unwrap();
            assert_ne!(read, 0, "the server hung up after {text:?}");
        }
    }
}

fn content_length(head: &str) -> usize {
    head.lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap())
}
