//! Showing a server that we know the password.

use mysql_common::{
    crypto::{
        der::parse_uint,
        rsa::{GetRandom, Pkcs1OaepPadding, PublicKey},
    },
    packets::AuthPlugin,
};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};

use super::error::WireError;

/// How long a nonce is for all but ed25519.
pub(super) const NONCE_BYTES: usize = 20;
const ED25519_NONCE_BYTES: usize = 32;

/// What is to be sent for `plugin`; empty for an empty password.
pub(super) fn response(
    plugin: &AuthPlugin<'_>,
    password: &str,
    nonce: &[u8],
) -> Result<Vec<u8>, WireError> {
    let wanted = match plugin {
        AuthPlugin::MysqlNativePassword | AuthPlugin::CachingSha2Password => NONCE_BYTES,
        AuthPlugin::Ed25519 => ED25519_NONCE_BYTES,
        // Too weak, plain text, or not built in.
        AuthPlugin::MysqlOldPassword
        | AuthPlugin::MysqlClearPassword
        | AuthPlugin::MariadbParsec { .. }
        | AuthPlugin::Other(_) => {
            let name = String::from_utf8_lossy(plugin.as_bytes());
            return Err(WireError::AuthPlugin(name.into_owned()));
        }
    };
    let nonce = nonce.get(..wanted).ok_or(WireError::Protocol("nonce too short"))?;
    let data = plugin.gen_data(Some(password), nonce);
    Ok(data.map(|data| data.to_vec()).unwrap_or_default())
}

/// The plugin and the nonce that a server wants instead of those of its greeting.
pub(super) fn parse_switch(packet: &[u8]) -> Result<(AuthPlugin<'static>, Vec<u8>), WireError> {
    let [0xfe, rest @ ..] = packet else { return Err(WireError::Protocol("login")) };
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    match (parts.next(), parts.next()) {
        (Some(name), Some(nonce)) => {
            Ok((AuthPlugin::from_bytes(name).into_owned(), nonce.to_vec()))
        }
        _ => Err(WireError::AuthPlugin("mysql_old_password".to_owned())),
    }
}

/// Encrypts the password for the holder of the RSA key in `pem`, as `caching_sha2_password` wants it.
pub(super) fn encrypt(password: &str, nonce: &[u8], pem: &[u8]) -> Result<Vec<u8>, WireError> {
    let key = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok();
    let key = key.and_then(|der| rsa_key(&der)).ok_or(WireError::Protocol("rsa key"))?;
    let mut secret = [password.as_bytes(), &[0]].concat();
    // Padding takes 42 bytes; beyond that the library would panic.
    if secret.len() + 42 > key.num_octets() {
        return Err(WireError::Protocol("password too long for the server's rsa key"));
    }
    for (byte, mask) in secret.iter_mut().zip(nonce.iter().cycle()) {
        *byte ^= mask;
    }
    Ok(key.encrypt_block(secret, Pkcs1OaepPadding::new(GetRandom)))
}

/// Reads an RSA key. `mysql_common` could as well, but panics on a malformed one.
fn rsa_key(der: &[u8]) -> Option<PublicKey> {
    let (info, _) = der_value(der, 0x30)?;
    let (_algorithm, info) = der_value(info, 0x30)?;
    let (bits, _) = der_value(info, 0x03)?;
    let (numbers, _) = der_value(bits.strip_prefix(&[0])?, 0x30)?;
    let (modulus, after) = der_value(numbers, 0x02)?;
    let (exponent, _) = der_value(after, 0x02)?;
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let sound = (128..=1024).contains(&modulus.len()) && *modulus.first()? >= 0x80;
    (sound && (1..=8).contains(&exponent.len()))
        .then(|| PublicKey::new(parse_uint(numbers).0, parse_uint(after).0))
}

/// The content of the DER element at the beginning of `der`, and what follows it.
fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [first, length, rest @ ..] = der else { return None };
    let (length, rest) = match (length, rest) {
        (0..=0x7f, rest) => (usize::from(*length), rest),
        (0x81, [a, rest @ ..]) => (usize::from(*a), rest),
        (0x82, [a, b, rest @ ..]) => (usize::from(u16::from_be_bytes([*a, *b])), rest),
        _ => return None,
    };
    (*first == tag).then_some(rest)?.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An RSA key of 2048 bits as MySQL sends it (from `mysql_common`'s own tests).
    const PEM: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxSKOcxiet8lLMn8ImyUE
bGGKob5EdRz/4wdiw12ED0GfKKTKhVnodFCfm1mdy7bKOX5QxL9skrvYodpW43eR
R5bfOzIgy1qIB8RYb6qOXRBw1oA4snBDqtUjDv/lbHLJN+IbzM4oU+e3Lt9rXyLX
VY289ewONPweXHqSCnTL91w+wkU1peIFV2QhZ+upUCdCtwOn5hnJPNgxtbklFoya
C8W3Z7Xx7He2QDJsEWAqX197efw0L6j8X8Tyd8Uwb7zUB1tfMGhHfm9EwejPAtzx
4GztQNtNMtGS2oGZLQBLV9hib4dDL92iiZeckg2LAf4GsJofLLR8mcHCRoqVbQJ1
YQIDAQAB
-----END PUBLIC KEY-----";

    #[test]
    fn a_password_is_encrypted_for_a_sound_key_only() {
        let encrypt = |password: &str, pem: &str| encrypt(password, &[7; 20], pem.as_bytes());
        assert_eq!(encrypt("secret", PEM).unwrap().len(), 256);
        let longest = 256 - 42 - 1;
        assert!(encrypt(&"x".repeat(longest), PEM).is_ok());
        let malformed = [
            "",
            "garbage",
            &PEM[..100],
            &PEM.replace("MIIB", "MIIC"),
            &PEM.replace("PUBLIC", "PRIVATE"),
        ];
        for pem in malformed {
            assert!(matches!(encrypt("secret", pem), Err(WireError::Protocol(_))), "{pem}");
        }
        let error = encrypt(&"x".repeat(longest + 1), PEM);
        assert!(matches!(error, Err(WireError::Protocol(_))), "{error:?}");
    }

    #[test]
    fn a_malformed_key_never_panics() {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(PEM.as_bytes()).unwrap().to_vec();
        for end in 0..der.len() {
            assert!(rsa_key(&der[..end]).is_none(), "cut at {end}");
        }
        for position in 0..der.len() {
            for value in [0, 1, 0x7f, 0x80, 0x81, 0x82, 0xff] {
                let mut der = der.clone();
                der[position] = value;
                if let Some(key) = rsa_key(&der) {
                    assert!(key.num_octets() >= 128);
                    if position < 40 || position > der.len() - 8 {
                        key.encrypt_block([1; 80], Pkcs1OaepPadding::new(GetRandom));
                    }
                }
            }
        }
    }
}
