//! A source that panics where it is told to, for tests: {"where": "create" | "check" | "pull" | "receive" | "migrate" | "destroy"}.
//! What it panics with panics again when it is dropped.
use sluice::prelude::*;

struct Nasty;
impl Drop for Nasty {
    fn drop(&mut self) { panic!("and again"); }
}

struct Panics {
    place: String,
}

impl Panics {
    fn at(&self, place: &str) {
        if self.place == place { std::panic::panic_any(Nasty); }
    }
}

impl Drop for Panics {
    fn drop(&mut self) { if self.place == "destroy" { panic!("in drop"); } }
}

impl Source for Panics {
    const ID: &'static str = "panics";
    const NAME: &'static str = "Panics";
    const VERSION: &'static str = "1.0.0";

    fn new(config: &Config) -> Result<Panics> {
        let made = Panics { place: config.text("where")? };
        made.at("create");
        Ok(made)
    }
    fn check(&mut self, _: &Host) -> Result<()> {
        self.at("check");
        Ok(())
    }
    fn discover(&mut self, _: &Host) -> Result<Vec<StreamOffer>> {
        let nobody: Option<&str> = None;
        let index = nobody.map_or(7, str::len);
        // An index out of bounds, as a careless connector has it.
        Ok(vec![StreamOffer { stream: ["a"][index].into(), schema: Json::Null }])
    }
    fn pull(&mut self, pull: &Pull, host: &Host) -> Result<()> {
        host.emit(&pull.stream, &[Record::upsert("before", &Json::Integer(1), None)])?;
        self.at("pull");
        Ok(())
    }
}

impl WebhookSource for Panics {
    fn receive(&mut self, _: &Delivery, _: &Host) -> Result<()> {
        self.at("receive");
        Ok(())
    }
}

impl StateMigrating for Panics {
    fn migrate(&self, old: &StoredState) -> Result<StoredState> {
        self.at("migrate");
        Ok(StoredState { version: 2, ..old.clone() })
    }
}

sluice::source!(Panics, webhook, state_migrate);
