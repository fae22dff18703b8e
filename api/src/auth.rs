//! Who is there: passwords, tokens, sessions and the one-time login link.
//!
//! Passwords are checked against argon2id hashes of the catalog. Tokens live in memory and end with
//! the process or after `TOKEN_LIFE`; only their digests are kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use parx_log::{Command, Log, SubmitError, UserDefinition};
use rand::Rng;
use rand::distr::Alphanumeric;
use tokio::sync::Semaphore;

/// How long a token is good for after it was issued.
pub const TOKEN_LIFE: Duration = Duration::from_secs(12 * 3600);
/// Tokens at once; the oldest make room.
pub const TOKENS_MAX: usize = 10_000;
/// How long a password that was found right is taken for right without hashing it again.
pub const CHECKED_LIFE: Duration = Duration::from_secs(60);
/// Passwords hashed at once; others wait.
pub const LOGINS_AT_ONCE_MAX: usize = 2;
/// Shortest password that can be set.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Longest password that is looked at.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// An account that has proved who it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The account's name.
    pub name: Arc<str>,
}

/// The accounts of a server. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    log: Log,
    inner: Arc<Inner>,
}

struct Inner {
    /// Digest of a token to who has it and when it was issued.
    tokens: Mutex<HashMap<[u8; 32], (Identity, Instant)>>,
    /// Digest of a name, its hash and a right password to when it was checked.
    checked: Mutex<HashMap<[u8; 32], Instant>>,
    once: Mutex<Option<[u8; 32]>>,
    /// Makes digests worthless outside this process.
    key: [u8; 32],
    hashing: Semaphore,
}

/// Why a password was not set.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Choose a longer one.
    #[error("the password has {0} characters; {PASSWORD_CHARS_MIN} is the least")]
    Short(usize),
    /// Choose a shorter one.
    #[error("the password has {0} bytes; {PASSWORD_BYTES_MAX} is the most")]
    Long(usize),
    /// Type the present password again.
    #[error("the present password is not right")]
    Wrong,
    /// The hash could not be made.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
    /// The log refused.
    #[error(transparent)]
    Log(#[from] SubmitError),
}

impl Accounts {
    /// The accounts in `log`'s catalog.
    pub fn new(log: Log) -> Accounts {
        let inner = Inner {
            tokens: Mutex::default(),
            checked: Mutex::default(),
            once: Mutex::default(),
            key: rand::rng().random(),
            hashing: Semaphore::new(LOGINS_AT_ONCE_MAX),
        };
        Accounts { log, inner: Arc::new(inner) }
    }

    fn digest(&self, parts: &[&str]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.inner.key);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// The account, if the password is right.
    pub async fn login(&self, user: &str, password: &str) -> Option<Identity> {
        if password.len() > PASSWORD_BYTES_MAX {
            return None;
        }
        let hash = self.log.catalog().users.get(user).map(|user| user.password_hash.clone());
        let known = hash.is_some();
        // An unknown name takes as long as a wrong password.
        let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
        let digest = self.digest(&[user, &hash, password]);
        let fresh = |at: &Instant| at.elapsed() < CHECKED_LIFE;
        if self.inner.checked.lock().get(&digest).is_some_and(fresh) {
            return known.then(|| Identity { name: user.into() });
        }
        let _turn = self.inner.hashing.acquire().await.ok()?;
        let password = password.to_owned();
        let right = tokio::task::spawn_blocking(move || verify(&hash, &password)).await;
        if !right.unwrap_or(false) || !known {
            return None;
        }
        let mut checked = self.inner.checked.lock();
        checked.retain(|_, at| fresh(at));
        checked.insert(digest, Instant::now());
        Some(Identity { name: user.into() })
    }

    /// A new token for an account.
    pub fn issue_token(&self, identity: &Identity) -> String {
        let token = URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 32]>());
        let digest = self.digest(&[&token]);
        let mut tokens = self.inner.tokens.lock();
        if tokens.len() >= TOKENS_MAX {
            tokens.retain(|_, (_, at)| at.elapsed() < TOKEN_LIFE);
        }
        if tokens.len() >= TOKENS_MAX
            && let Some(oldest) = tokens.iter().min_by_key(|(_, (_, at))| *at).map(|(d, _)| *d)
        {
            tokens.remove(&oldest);
        }
        tokens.insert(digest, (identity.clone(), Instant::now()));
        token
    }

    /// The account that has this token.
    pub fn token(&self, token: &str) -> Option<Identity> {
        let digest = self.digest(&[token]);
        let tokens = self.inner.tokens.lock();
        let (identity, at) = tokens.get(&digest)?;
        let stays = self.log.catalog().users.contains_key(&*identity.name);
        (at.elapsed() < TOKEN_LIFE && stays).then(|| identity.clone())
    }

    /// Makes a token worthless.
    pub fn revoke(&self, token: &str) {
        let digest = self.digest(&[token]);
        self.inner.tokens.lock().remove(&digest);
    }

    /// A secret that logs the first account in, once.
    pub fn issue_once(&self) -> String {
        let secret = URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 32]>());
        *self.inner.once.lock() = Some(self.digest(&[&secret]));
        secret
    }

    /// Takes the one-time secret: a token for the administrator, the first time.
    pub fn redeem_once(&self, secret: &str) -> Option<String> {
        let digest = self.digest(&[secret]);
        let mut once = self.inner.once.lock();
        if *once != Some(digest) {
            return None;
        }
        *once = None;
        Some(self.issue_token(&Identity { name: ADMIN.into() }))
    }

    /// The account behind an `Authorization` header.
    pub async fn authorize(&self, header: &str) -> Option<Identity> {
        let (scheme, rest) = header.split_once(' ')?;
        let rest = rest.trim();
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => {
                let bytes = STANDARD.decode(rest).or_else(|_| STANDARD_NO_PAD.decode(rest)).ok()?;
                let text = String::from_utf8(bytes).ok()?;
                let (user, password) = text.split_once(':')?;
                self.login(user, password).await
            }
            "bearer" => self.token(rest),
            // What clients of InfluxDB send: a token, or `user:password` as version 1.8 takes it.
            "token" => match rest.split_once(':') {
                Some((user, password)) => self.login(user, password).await,
                None => self.token(rest),
            },
            _ => None,
        }
    }

    /// Replaces an account's password.
    pub async fn change_password(
        &self,
        identity: &Identity,
        old: &str,
        new: &str,
    ) -> Result<(), PasswordError> {
        if self.login(&identity.name, old).await.is_none() {
            return Err(PasswordError::Wrong);
        }
        let user = make_user(identity.name.to_string(), new.to_owned()).await?;
        self.log.submit(identity.name.clone(), Command::ChangeUserPassword(user)).await?;
        self.inner.checked.lock().clear();
        Ok(())
    }
}

/// The first account's name.
pub const ADMIN: &str = "admin";
/// A hash that no password has, for names that nobody has.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5aXNoZXJl$\
                      c29tZXRoaW5nIHRoYXQgbm8gcGFzc3dvcmQgaXM4MTk";

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    // OWASP's second choice: 19 MiB, two passes, one lane.
    let params = Params::new(19_456, 2, 1, None).map_err(|e| PasswordError::Hash(e.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn verify(hash: &str, password: &str) -> bool {
    match (PasswordHash::new(hash), argon2()) {
        (Ok(hash), Ok(argon2)) => argon2.verify_password(password.as_bytes(), &hash).is_ok(),
        (Ok(_) | Err(_), _) => false,
    }
}

/// What the catalog keeps of an account with this password.
pub async fn make_user(name: String, password: String) -> Result<UserDefinition, PasswordError> {
    let chars = password.chars().count();
    if chars < PASSWORD_CHARS_MIN {
        return Err(PasswordError::Short(chars));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::Long(password.len()));
    }
    let made = tokio::task::spawn_blocking(move || {
        let failed = |error: argon2::password_hash::Error| PasswordError::Hash(error.to_string());
        let salt = SaltString::encode_b64(&rand::rng().random::<[u8; 16]>()).map_err(failed)?;
        let hash = argon2()?.hash_password(password.as_bytes(), &salt).map_err(failed)?;
        let scram_verifier = crate::scram::scram_verifier(&password);
        Ok(UserDefinition { name, password_hash: hash.to_string(), scram_verifier })
    });
    made.await.map_err(|error| PasswordError::Hash(error.to_string()))?
}

/// A password of 20 letters and digits: 119 bits.
pub fn generate_password() -> String {
    rand::rng().sample_iter(Alphanumeric).take(20).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use parx_log::{LogOptions, SystemClock};

    use super::*;

    async fn accounts(folder: &tempfile::TempDir) -> Accounts {
        let mut options = LogOptions::new(folder.path());
        options.linger = Duration::ZERO;
        let log = Log::open(options, Arc::new(SystemClock)).unwrap();
        let user = make_user("ana".into(), "correct horse".into()).await.unwrap();
        log.submit("test".into(), Command::DefineUser(user)).await.unwrap();
        Accounts::new(log)
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_name_logs_in() {
        let folder = tempfile::TempDir::new().unwrap();
        let accounts = accounts(&folder).await;
        for _ in 0..2 {
            assert!(accounts.login("ana", "correct horse").await.is_some());
            assert!(accounts.login("ana", "wrong horse").await.is_none());
            assert!(accounts.login("bob", "correct horse").await.is_none());
        }
        let basic = format!("Basic {}", STANDARD.encode("ana:correct horse"));
        assert!(accounts.authorize(&basic).await.is_some());
        assert!(accounts.authorize("Token ana:correct horse").await.is_some());
        assert!(accounts.authorize("Token ana:wrong").await.is_none());
        assert!(accounts.authorize("Digest x").await.is_none());
    }

    #[tokio::test]
    async fn a_changed_password_ends_the_old_one() {
        let folder = tempfile::TempDir::new().unwrap();
        let accounts = accounts(&folder).await;
        let ana = accounts.login("ana", "correct horse").await.unwrap();
        let short = accounts.change_password(&ana, "correct horse", "short").await;
        assert!(matches!(short, Err(PasswordError::Short(5))));
        accounts.change_password(&ana, "correct horse", "battery staple").await.unwrap();
        assert!(accounts.login("ana", "correct horse").await.is_none());
        assert!(accounts.login("ana", "battery staple").await.is_some());
    }

    #[tokio::test]
    async fn a_token_is_good_until_revoked_and_the_link_once() {
        let folder = tempfile::TempDir::new().unwrap();
        let accounts = accounts(&folder).await;
        let ana = Identity { name: "ana".into() };
        let token = accounts.issue_token(&ana);
        assert_eq!(accounts.token(&token), Some(ana));
        accounts.revoke(&token);
        assert_eq!(accounts.token(&token), None);
        let secret = accounts.issue_once();
        assert!(accounts.redeem_once("guess").is_none());
        assert!(accounts.redeem_once(&secret).is_some());
        assert!(accounts.redeem_once(&secret).is_none());
    }
}
