//! What a source is.

use crate::{Config, Host, Json, Result};

/// Brings records in. One value serves one instance of one tenant and runs one operation at a time.
///
/// Keep nothing that matters in memory: the worker may be ended between operations. What must survive goes into
/// checkpoints.
pub trait Source: Sized {
    /// Unique in the library, such as `tides`.
    const ID: &'static str;
    /// For people.
    const NAME: &'static str;
    /// The plugin's semantic version.
    const VERSION: &'static str;

    /// Makes the source from the instance's configuration. No requests may be made yet.
    fn new(config: &Config) -> Result<Self>;

    /// Checks configuration and credential with as few requests as possible.
    fn check(&mut self, host: &Host) -> Result<()>;

    /// What this account offers.
    fn discover(&mut self, host: &Host) -> Result<Vec<StreamOffer>>;

    /// Brings records of one stream from `pull.state` on, with checkpoints, and returns when it has caught up.
    fn pull(&mut self, pull: &Pull, host: &Host) -> Result<()>;
}

/// A source that also takes webhook deliveries: the extension `sluice.webhook/1`.
pub trait WebhookSource: Source {
    /// Turns one delivery into records: the same for the same delivery, which may come twice.
    fn receive(&mut self, delivery: &Delivery, host: &Host) -> Result<()>;
}

/// A source that can write an old state anew: the extension `sluice.state-migrate/1`.
pub trait StateMigrating: Source {
    /// Writes `old` in the format of today: the same place in the same stream, with today's version. A function of `old`
    /// alone. Of a version that nobody knows, return a permanent failure: the host keeps the state.
    fn migrate(&self, old: &StoredState) -> Result<StoredState>;
}

/// One stream that [`Source::discover`] found.
pub struct StreamOffer {
    /// A name from the manifest.
    pub stream: String,
    /// JSON Schema of a record's payload.
    pub schema: Json,
}

/// What a pull is asked to do.
pub struct Pull {
    /// A name from the manifest.
    pub stream: String,
    /// The last durable state; none means "from the beginning".
    pub state: Option<Vec<u8>>,
    /// As given with that state.
    pub state_version: u32,
}

/// A webhook delivery that the host has already verified, stored and answered.
pub struct Delivery {
    /// Unique; the same id may come twice.
    pub id: String,
    /// When the host received it, in milliseconds since 1970.
    pub received_at_ms: i64,
    /// This, the query and the headers hold what the manifest declares, and are empty otherwise.
    pub method: String,
    /// Below the instance's own webhook address; empty, as a host of 1.0 takes nothing below it.
    pub path: String,
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What a checkpoint kept of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredState {
    pub stream: String,
    /// Opaque to the host; not empty.
    pub bytes: Vec<u8>,
    /// The plugin's own version of the format of `bytes`.
    pub version: u32,
}
