//! Noticing that the files of a login have changed.

use std::{path::PathBuf, time::Duration};

use tokio::{sync::watch, time};
use tracing::{info, warn};

use super::{Login, LoginError};

/// How often the files are read again. Kubernetes itself takes up to a minute to change them.
pub const RE_READ: Duration = Duration::from_secs(5);

/// Reads a directory now and then every so often; the receiver sees each login that differs.
///
/// Must be called in a tokio runtime. The watching ends when the last receiver is dropped. Files
/// that cannot be read later on are logged once and leave the last good login in force.
///
/// # Errors
/// When the directory gives no login now.
pub fn watch_dir(dir: PathBuf, every: Duration) -> Result<watch::Receiver<Login>, LoginError> {
    let (sender, receiver) = watch::channel(Login::read_dir(&dir)?);
    tokio::spawn(re_read(dir, every, sender));
    Ok(receiver)
}

async fn re_read(dir: PathBuf, every: Duration, sender: watch::Sender<Login>) {
    let mut readable = true;
    loop {
        tokio::select! {
            () = sender.closed() => return,
            () = time::sleep(every) => {}
        }
        // Nine small files; not worth a thread of the blocking pool.
        let read = Login::read_dir(&dir);
        match &read {
            Err(error) if readable => {
                warn!(
                    error = error as &dyn std::error::Error,
                    "keeping the last broker login: its files cannot be read"
                );
            }
            _ => {}
        }
        readable = read.is_ok();
        let Ok(login) = read else { continue };
        sender.send_if_modified(|present| {
            let changed = *present != login;
            if changed {
                info!(%login, "broker login changed");
                *present = login;
            }
            changed
        });
    }
}
