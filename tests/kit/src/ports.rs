//! Free ports on loopback, below the range that the kernel hands out to clients.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::KitError;

const FIRST: u16 = 25_000;
const COUNT: u16 = 1_000;
/// Blocks begin at multiples of it, so two of them never overlap.
const BLOCK: u16 = 10;

/// Blocks this process has taken already, whether still in use or not.
static TAKEN: AtomicU16 = AtomicU16::new(0);

/// Finds `count` (at most 10) consecutive ports nobody listens on and returns the first.
///
/// Where the search begins depends on the process, so that several do not collide.
///
/// # Errors
/// When the whole range is in use.
pub fn free_block(count: u16) -> Result<u16, KitError> {
    let blocks = COUNT / BLOCK;
    let offset = u16::try_from(std::process::id() % u32::from(blocks)).unwrap_or(0);
    for _ in 0..blocks {
        let block = (offset + TAKEN.fetch_add(1, Ordering::Relaxed)) % blocks;
        let first = FIRST + block * BLOCK;
        if (first..first + count.min(BLOCK)).all(is_free) {
            return Ok(first);
        }
    }
    let said = format!("no {count} free ports in a row from {FIRST} to {}", FIRST + COUNT - 1);
    Err(KitError::Program { what: "looking for ports".to_owned(), said })
}

/// Finds a port nobody listens on.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16, KitError> {
    free_block(1)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_blocks_do_not_overlap() {
        let (one, other) = (free_block(4).unwrap(), free_block(4).unwrap());
        assert!(one.abs_diff(other) >= 4, "{one} and {other}");
    }
}
