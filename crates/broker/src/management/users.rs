//! Users and what they may do.

use serde::Deserialize;
use serde_json::json;
use warren_core::topology::Permissions;

use super::{ApiError, Management};
use crate::login::Secret;

/// A user of the broker.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its tags; a user without tags may not use the management API.
    #[serde(default)]
    pub tags: Vec<String>,
}

#[derive(Deserialize)]
struct RawPermissions {
    user: String,
    configure: String,
    write: String,
    read: String,
}

impl Management {
    /// A user; nothing when there is none of this name.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn user(&self, name: &str) -> Result<Option<User>, ApiError> {
        self.get(&["users", name]).json_if_found().await
    }

    /// All users of the broker.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn users(&self) -> Result<Vec<User>, ApiError> {
        self.get(&["users"]).json().await
    }

    /// Makes a user, or gives one that is there this password and these tags.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn put_user(
        &self,
        name: &str,
        password: &Secret,
        tags: &[&str],
    ) -> Result<(), ApiError> {
        let body = json!({ "password": password.reveal(), "tags": tags.join(",") });
        self.put(&["users", name]).with(&body)?.done().await
    }

    /// Deletes a user; the broker then closes its connections.
    ///
    /// # Errors
    /// When the call fails; a user that is not there is no error.
    pub async fn delete_user(&self, name: &str) -> Result<(), ApiError> {
        self.delete(&["users", name]).gone().await
    }

    /// What each user may do in a virtual host, by the name of the user.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn permissions(&self, vhost: &str) -> Result<Vec<(String, Permissions)>, ApiError> {
        let call = self.get(&["vhosts", vhost, "permissions"]);
        let raw: Vec<RawPermissions> = call.json().await?;
        let pair = |raw: RawPermissions| (raw.user.clone(), raw.into());
        Ok(raw.into_iter().map(pair).collect())
    }

    /// What a user may do in a virtual host; nothing when it may not enter it.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn user_permissions(
        &self,
        vhost: &str,
        user: &str,
    ) -> Result<Option<Permissions>, ApiError> {
        let call = self.get(&["permissions", vhost, user]);
        let raw: Option<RawPermissions> = call.json_if_found().await?;
        Ok(raw.map(Permissions::from))
    }

    /// Says what a user may do in a virtual host.
    ///
    /// # Errors
    /// When the call fails; `NotFound` or `Transient` when one of the two is not there.
    pub async fn put_permissions(
        &self,
        vhost: &str,
        user: &str,
        permissions: &Permissions,
    ) -> Result<(), ApiError> {
        let body = json!({
            "configure": permissions.configure,
            "write": permissions.write,
            "read": permissions.read,
        });
        self.put(&["permissions", vhost, user]).with(&body)?.done().await
    }
}

impl From<RawPermissions> for Permissions {
    fn from(raw: RawPermissions) -> Self {
        Self { configure: raw.configure, write: raw.write, read: raw.read }
    }
}
