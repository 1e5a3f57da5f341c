//! What an entry of the plugin returns: no panic and no Rust error crosses the border.

use crate::abi::*;
use crate::{Class, Failure, Host, Result};
use std::any::Any;
use std::cell::RefCell;
use std::panic::{catch_unwind, set_hook, take_hook, AssertUnwindSafe};
use std::sync::Once;

thread_local! { static PLACE: RefCell<String> = const { RefCell::new(String::new()) }; }

/// From now on it is known where a panic was; the hook that prints it stays.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            let place = panic.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
            let _ = PLACE.try_with(|kept| kept.try_borrow_mut().map(|mut kept| *kept = place));
            before(panic);
        }));
    });
}

/// What a panic says and where it was: the one thing that its author needs to know.
fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = PLACE.try_with(|kept| kept.try_borrow_mut().map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default());
    let said = text.map(|text| format!(": {}", text.chars().take(300).collect::<String>())).unwrap_or_default();
    format!("The plugin panicked{}{said}.", place.unwrap_or_default())
}

/// Runs one entry. A panic becomes BUG: `broken` is set, and the instance is not called again.
pub fn answer(host: &Host, broken: &mut bool, body: impl FnOnce() -> Result<i32>) -> i32 {
    if *broken {
        host.state("plugin.panicked", "The plugin panicked earlier; its instance is not used any more.", None);
        return E_BUG;
    }
    listen();
    // What a panic may have left half done is behind `broken`.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => status,
        Ok(Err(failure)) => state(host, &failure),
        Err(payload) => {
            *broken = true;
            let words = words(&*payload);
            // The payload's own drop might panic again.
            std::mem::forget(payload);
            host.state("plugin.panic", &words, None);
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
