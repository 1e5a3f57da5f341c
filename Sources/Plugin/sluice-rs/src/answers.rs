//! What an entry of the plugin returns: no panic and no Rust error crosses the border.

use crate::abi::*;
use crate::{Class, Failure, Host, Result};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Runs one entry. A panic becomes BUG: `broken` is set, and the instance is not called again.
pub fn answer(host: &Host, broken: &mut bool, body: impl FnOnce() -> Result<i32>) -> i32 {
    if *broken {
        host.state("plugin.panicked", "The plugin panicked earlier; its instance is not used any more.", None);
        return E_BUG;
    }
    // What a panic may have left half done is behind `broken`.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => status,
        Ok(Err(failure)) => state(host, &failure),
        Err(payload) => {
            *broken = true;
            // The payload's own drop might panic again.
            std::mem::forget(payload);
            host.state("plugin.panic", "The plugin panicked; what it said is in the worker's last words.", None);
            E_BUG
        }
    }
}

/// Runs what has no answer, or one of its own.
pub fn fence<T>(otherwise: T, body: impl FnOnce() -> T) -> T { catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
    std::mem::forget(payload);
    otherwise
}) }

fn state(host: &Host, failure: &Failure) -> i32 {
    let (status, retry_after_ms) = match failure.class {
        Class::Config => (E_CONFIG, None),
        Class::Auth => (E_AUTH, None),
        Class::RateLimited(ms) => (E_RATE_LIMITED, ms),
        Class::Transient => (E_TRANSIENT, None),
        Class::Permanent => (E_PERMANENT, None),
        Class::Bug => (E_BUG, None),
        Class::Cancelled => (E_CANCELLED, None),
    };
    if !failure.code.is_empty() { host.state(&failure.code, &failure.message, retry_after_ms); }
    status
}
