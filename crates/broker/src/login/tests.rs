//! Files that give a login, files that do not, and what is never shown.

use std::{collections::BTreeMap, time::Duration};

use super::*;

type Files = BTreeMap<&'static str, &'static [u8]>;

fn usual() -> Files {
    BTreeMap::from([
        ("host", "rabbit.example\n".as_bytes()),
        ("username", b"shop"),
        ("password", b"p@:/%\n"),
    ])
}

fn with(file: &'static str, content: &'static [u8]) -> Files {
    let mut files = usual();
    files.insert(file, content);
    files
}

fn read(files: &Files) -> Result<Login, LoginError> {
    Login::from_files(|file| Ok(files.get(file).map(|content| content.to_vec())))
}

#[test]
fn host_username_and_password_are_enough() {
    let login = read(&usual()).unwrap();
    assert_eq!(login.host, "rabbit.example");
    assert_eq!(login.password.reveal(), "p@:/%");
    assert_eq!((login.port, login.vhost.as_str()), (5672, "/"));
    assert_eq!(login.tls, Tls::Plaintext);
    assert_eq!(login.management_url(), "http://rabbit.example:15672");
}

#[test]
fn a_certificate_authority_or_the_port_of_tls_means_tls() {
    let by_ca = read(&with("ca.crt", b"PEM")).unwrap();
    assert_eq!(by_ca.port, 5671);
    assert_eq!(by_ca.management_url(), "https://rabbit.example:15671");
    let by_port = read(&with("port", b"5671\n")).unwrap();
    assert_eq!(by_port.tls, Tls::Verify(Verify::default()));
    assert_eq!(read(&with("port", b"21310")).unwrap().tls, Tls::Plaintext);
}

#[test]
fn a_mode_that_is_said_beats_the_port() {
    let mut files = with("port", b"5671");
    files.insert("tls-mode", b"Plaintext");
    assert_eq!(read(&files).unwrap().tls, Tls::Plaintext);
}

#[test]
fn an_address_of_six_parts_gets_its_brackets() {
    let login = read(&with("host", b"::1")).unwrap();
    assert_eq!(login.management_url(), "http://[::1]:15672");
}

#[test]
fn what_is_wrong_is_told_by_the_name_of_the_file_and_never_by_its_content() {
    for (file, content, told) in [
        ("password", b"".as_slice(), "password of the broker login is empty"),
        ("password", b"s3cr\xff", "password of the broker login is not UTF-8 text"),
        ("port", b"s3cr3t", "port of the broker login is not a number from 1 to 65535"),
        ("port", b"0", "port of the broker login is not a number from 1 to 65535"),
        ("tls-mode", b"s3cr3t", "tls-mode of the broker login is neither Verify nor Plaintext"),
        ("tls.key", b"s3cr3t", "only one of tls.crt and tls.key"),
    ] {
        let error = read(&with(file, content)).unwrap_err().to_string();
        assert!(error.contains(told), "{file}: {error}");
        assert!(!error.contains("s3cr"), "{file}: {error}");
    }
    let mut files = usual();
    files.remove("username");
    let error = read(&files).unwrap_err().to_string();
    assert!(error.contains("has no username"), "{error}");
}

#[test]
fn no_secret_is_shown() {
    let mut files = with("tls.crt", b"s3cr3t-certificate");
    files.insert("tls.key", b"s3cr3t-key");
    files.insert("password", b"s3cr3t");
    let login = read(&files).unwrap();
    assert!(!format!("{login:?} {login} {:?} {:?}", login.tls, login.password).contains("s3cr3t"));
}

#[tokio::test]
async fn a_changed_file_is_noticed_and_a_missing_one_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in usual() {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    let mut logins = watch_dir(dir.path().to_owned(), Duration::from_millis(5)).unwrap();

    std::fs::remove_file(dir.path().join("host")).unwrap();
    let changed = tokio::time::timeout(Duration::from_millis(100), logins.changed()).await;
    assert!(changed.is_err(), "a login without host was taken");

    std::fs::write(dir.path().join("password"), "new").unwrap();
    std::fs::write(dir.path().join("host"), "rabbit.example").unwrap();
    let changed = tokio::time::timeout(Duration::from_secs(5), logins.changed()).await;
    changed.unwrap().unwrap();
    assert_eq!(logins.borrow().password.reveal(), "new");
}

#[cfg(unix)]
#[test]
fn a_mounted_secret_is_read_from_one_version() {
    let dir = tempfile::tempdir().unwrap();
    for version in ["1", "2"] {
        let files = dir.path().join(version);
        std::fs::create_dir(&files).unwrap();
        for name in ["host", "username", "password"] {
            std::fs::write(files.join(name), format!("{name}{version}")).unwrap();
        }
    }
    std::os::unix::fs::symlink("2", dir.path().join("..data")).unwrap();
    for name in ["host", "username", "password"] {
        let stale = dir.path().join("1").join(name);
        std::os::unix::fs::symlink(stale, dir.path().join(name)).unwrap();
    }
    let login = Login::read_dir(dir.path()).unwrap();
    assert_eq!((login.host.as_str(), login.password.reveal()), ("host2", "password2"));
}
