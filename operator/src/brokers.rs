//! The management API clients of a process, one for each login, so that connections are kept.

use std::sync::{Mutex, PoisonError};

use warren_broker::{
    login::Login,
    management::{ApiError, Management},
};

/// The most clients that are kept; the oldest go first.
///
/// More than any operator has brokers: a login that changes leaves its old client behind.
const MOST: usize = 256;

/// The clients of a process.
#[derive(Default)]
pub struct Brokers {
    clients: Mutex<Vec<(Login, Management)>>,
}

impl Brokers {
    /// The client for a login: the one there is, or a new one.
    ///
    /// # Errors
    /// When the login gives no client, such as by a certificate that cannot be read.
    pub fn client(&self, login: &Login) -> Result<Management, ApiError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(known, _)| known == login) {
            return Ok(client.clone());
        }
        let client = Management::new(login)?;
        if clients.len() == MOST {
            clients.remove(0);
        }
        clients.push((login.clone(), client.clone()));
        Ok(client)
    }
}
