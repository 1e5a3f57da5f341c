//! The plugin ABI of Sluice as safe Rust. Comes in: the host's calls and tables. Goes out: what one connector type returns.
//!
//! A connector is a type with [`Source`] (or [`Executor`]) and one line, [`source!`] (or [`executor!`]), in a crate of type
//! `cdylib`. It uses no thread and no crate but std, and no panic crosses the border: one becomes the class BUG.
//!
//! Compiles with Rust 1.63 and later.

mod abi;
mod answers;
mod config;
mod executor;
mod failure;
mod host;
mod http;
mod json;
mod source;

#[doc(hidden)]
pub mod border;

pub use config::Config;
pub use executor::{Action, DryRunAnswer, Executor, Outcome, ProbeAnswer};
pub use failure::{Class, Failure, HostError, Reason, Result};
pub use host::{Checkpoint, Clock, Host, Level, RateHint, Record};
pub use http::{encoded, segment, Request, Response};
pub use json::{Json, JsonError};
pub use source::{Delivery, Pull, Source, StateMigrating, StoredState, StreamOffer, WebhookSource};

/// What a connector needs: `use sluice::prelude::*;`
pub mod prelude {
    pub use crate::{
        Action, Checkpoint, Config, Delivery, DryRunAnswer, Executor, Failure, Host, Json, Outcome, ProbeAnswer, Pull, Record, Request,
        Response, Result, Source, StateMigrating, StoredState, StreamOffer, WebhookSource,
    };
}

/// Makes the library of one [`Source`]: `sluice::source!(Tides);` and, for what it also can, `sluice::source!(Tides, webhook);`,
/// `sluice::source!(Tides, state_migrate);` or both, in this order.
#[macro_export]
macro_rules! source {
    ($type:ty) => { $crate::source!(@library $type, {}); };
    ($type:ty, webhook) => { $crate::source!(@library $type, { $crate::source!(@webhook $type); }); };
    ($type:ty, state_migrate) => { $crate::source!(@library $type, { $crate::source!(@state_migrate $type); }); };
    ($type:ty, webhook, state_migrate) => {
        $crate::source!(@library $type, { $crate::source!(@webhook $type); $crate::source!(@state_migrate $type); });
    };
    (@webhook $type:ty) => {
        const WEBHOOK: Option<&'static $crate::border::RawWebhook> = Some($crate::border::Webhook::<$type>::TABLE);
    };
    (@state_migrate $type:ty) => {
        const STATE_MIGRATE: Option<&'static $crate::border::RawStateMigrate> = Some($crate::border::Migration::<$type>::TABLE);
    };
    (@library $type:ty, { $($extensions:item)* }) => {
        struct SluiceLibrary;
        impl $crate::border::SourceLibrary for SluiceLibrary {
            type Source = $type;
            $($extensions)*
        }
        $crate::entry!($crate::border::source_entry::<SluiceLibrary>());
    };
}

/// Makes the library of one [`Executor`]: `sluice::executor!(Tickets);`
#[macro_export]
macro_rules! executor {
    ($type:ty) => { $crate::entry!($crate::border::executor_entry::<$type>()); };
}

/// The one symbol and the ELF note. They must stand in the library's own crate: of a dependency the linker takes only what
/// is used.
#[doc(hidden)]
#[macro_export]
macro_rules! entry {
    ($entry:expr) => {
        #[used]
        #[link_section = ".note.sluice"]
        static SLUICE_NOTE: $crate::border::Note = $crate::border::NOTE;

        #[no_mangle]
        pub extern "C" fn sluice_plugin_entry() -> *const $crate::border::Plugin { $entry }
    };
}
