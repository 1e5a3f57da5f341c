//! An executor whose execute panics when its input says so, {"say": "panic"}, and refuses everything else; for tests.
use sluice::prelude::*;

struct Refuser;

impl Executor for Refuser {
    const ID: &'static str = "refuser";
    const NAME: &'static str = "Refuser";
    const VERSION: &'static str = "1.0.0";

    fn new(_: &Config) -> Result<Refuser> { Ok(Refuser) }
    fn check(&mut self, _: &Host) -> Result<()> { Ok(()) }

    fn execute(&mut self, action: &Action, _: &Host) -> Result<Outcome> {
        if action.input.get("say").and_then(Json::as_text) == Some("panic") { panic!("as it was told"); }
        Ok(Outcome::Rejected { code: "refuser.refused".into(), message: "Nothing is done here.".into() })
    }

    fn probe(&mut self, _: &Action, _: &Host) -> Result<ProbeAnswer> { Ok(ProbeAnswer::Absent) }
}

sluice::executor!(Refuser);
