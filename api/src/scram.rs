//! What checks a password in SCRAM-SHA-256, in the form that PostgreSQL stores.
//!
//! Makes verifiers when accounts are made and reads them when somebody logs in. It keeps no
//! account and speaks no protocol.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pgwire::api::auth::sasl::scram::{ScramSecret, gen_salted_password};

/// Rounds of hashing for new verifiers: what PostgreSQL 15 uses.
pub const SCRAM_ITERATIONS: usize = 4096;
/// Rounds that are believed when a verifier is read.
pub const SCRAM_ITERATIONS_MAX: usize = 10_000_000;
/// Bytes of salt in new verifiers.
pub const SCRAM_SALT_BYTES: usize = 16;

const SCHEME: &str = "SCRAM-SHA-256";
const KEY_BYTES: usize = 32;

/// The verifier of a password with a fresh salt:
/// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
pub fn scram_verifier(password: &str) -> String {
    verifier_with(password, &rand::random::<[u8; SCRAM_SALT_BYTES]>(), SCRAM_ITERATIONS)
}

fn verifier_with(password: &str, salt: &[u8], iterations: usize) -> String {
    let salted = gen_salted_password(password, salt, iterations);
    let secret = ScramSecret::verifier_from_salted_password(salt.to_vec(), salted, iterations);
    match secret {
        ScramSecret::Verifier { salt, iterations, stored_key, server_key } => format!(
            "{SCHEME}${iterations}:{}${}:{}",
            STANDARD.encode(salt),
            STANDARD.encode(stored_key),
            STANDARD.encode(server_key)
        ),
        // Never what was just asked for; nobody can log in with an empty verifier.
        ScramSecret::SaltedPassword { .. } => String::new(),
    }
}

/// Reads a stored verifier; none if it is not one.
pub(crate) fn read_verifier(text: &str) -> Option<ScramSecret> {
    let mut parts = text.split('$');
    let (scheme, costs, keys) = (parts.next()?, parts.next()?, parts.next()?);
    if scheme != SCHEME || parts.next().is_some() {
        return None;
    }
    let (iterations, salt) = costs.split_once(':')?;
    let (stored_key, server_key) = keys.split_once(':')?;
    let iterations = iterations.parse().ok().filter(|n| (1..=SCRAM_ITERATIONS_MAX).contains(n))?;
    let key = |text: &str| STANDARD.decode(text).ok().filter(|key| key.len() == KEY_BYTES);
    let salt = STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty())?;
    Some(ScramSecret::Verifier {
        salt,
        iterations,
        stored_key: key(stored_key)?,
        server_key: key(server_key)?,
    })
}

/// What an unknown user is checked against, so that the exchange looks as it does for a known one:
/// the salt of a name stays the same while the process runs, and no password fits.
pub(crate) fn mock_verifier(user: &str, process_secret: &[u8]) -> ScramSecret {
    let mut salt = gen_salted_password(user, process_secret, 1);
    salt.truncate(SCRAM_SALT_BYTES);
    ScramSecret::Verifier {
        salt,
        iterations: SCRAM_ITERATIONS,
        stored_key: rand::random::<[u8; KEY_BYTES]>().to_vec(),
        server_key: rand::random::<[u8; KEY_BYTES]>().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_is_the_one_postgresql_stores() {
        // RFC 7677, section 3: user "user", password "pencil".
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let expected = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
                        WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                        wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        assert_eq!(verifier_with("pencil", &salt, 4096), expected);
    }

    #[test]
    fn two_verifiers_of_one_password_differ() {
        assert_ne!(scram_verifier("secret"), scram_verifier("secret"));
    }

    #[test]
    fn only_whole_verifiers_are_read() {
        let good = scram_verifier("secret");
        assert!(read_verifier(&good).is_some());
        let cases = [
            String::new(),
            "secret".into(),
            "md5abcdef".into(),
            good.replacen("SCRAM-SHA-256", "SCRAM-SHA-1", 1),
            good.replacen("4096", "0", 1),
            good.replacen("4096", "99999999999", 1),
            format!("{good}$more"),
            good[..good.len() - 8].into(),
        ];
        for case in cases {
            assert!(read_verifier(&case).is_none(), "read as a verifier: {case}");
        }
    }

    #[test]
    fn a_mock_salt_is_stable_for_a_name_and_nothing_else() {
        let salt = |user: &str, secret: &[u8]| match mock_verifier(user, secret) {
            ScramSecret::Verifier { salt, .. } => salt,
            ScramSecret::SaltedPassword { .. } => Vec::new(),
        };
        assert_eq!(salt("ann", b"one"), salt("ann", b"one"));
        assert_ne!(salt("ann", b"one"), salt("bob", b"one"));
        assert_ne!(salt("ann", b"one"), salt("ann", b"two"));
        assert_eq!(salt("ann", b"one").len(), SCRAM_SALT_BYTES);
    }
}
