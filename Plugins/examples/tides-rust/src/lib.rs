//! Reads a tide gauge: each reading once, in order, by pull and by webhook.
//!
//! Configuration: {"station": NAME}. The state is the number of the last reading, in decimal.
use sluice::prelude::*;

const STATE_VERSION: u32 = 1;
const PAGE: i64 = 100;
const DAY_MS: i64 = 86_400_000;

struct Tides {
    station: String,
}

impl Source for Tides {
    const ID: &'static str = "tides";
    const NAME: &'static str = "Tides";
    const VERSION: &'static str = "1.0.0";

    fn new(config: &Config) -> Result<Tides> {
        config.allow(&["station"])?;
        Ok(Tides { station: config.text("station")? })
    }

    fn check(&mut self, host: &Host) -> Result<()> { self.readings(0, 1, host).map(|_| ()) }

    fn discover(&mut self, _: &Host) -> Result<Vec<StreamOffer>> {
        let schema = Json::parse(br#"{"type":"object","required":["id","at","level"]}"#)?;
        Ok(vec![StreamOffer { stream: "readings".into(), schema }])
    }

    fn pull(&mut self, pull: &Pull, host: &Host) -> Result<()> {
        let mut last = start(pull)?;
        let complete = complete_until(host.now(sluice::Clock::Wall)?);
        loop {
            let found = self.readings(last, PAGE, host)?;
            // One that is left out would never come again: the checkpoint lies behind it.
            let records = found.iter().map(record).collect::<Option<Vec<_>>>().ok_or_else(odd_answer)?;
            let newest = match found.last().and_then(|r| r.get("id")?.as_integer()) {
                Some(id) => id,
                None => return save(host, pull, last, Some(complete)),
            };
            host.emit(&pull.stream, &records)?;
            if newest <= last {
                return Err(Failure::transient("tides.no_progress", "The gauge gave the same readings again."));
            }
            last = newest;
            save(host, pull, last, None)?;
        }
    }
}

impl WebhookSource for Tides {
    fn receive(&mut self, delivery: &Delivery, host: &Host) -> Result<()> {
        let reading = Json::parse(&delivery.body).ok().as_ref().and_then(record);
        let reading = reading.ok_or_else(|| Failure::permanent("tides.no_reading", "The delivery holds no reading."))?;
        Ok(host.emit("readings", &[reading])?)
    }
}

impl Tides {
    fn readings(&self, after: i64, limit: i64, host: &Host) -> Result<Vec<Json>> {
        let path = format!("/v1/stations/{}/readings", sluice::segment(&self.station));
        let request = Request::get("tides", path).slot("api").query("after", after).query("limit", limit);
        Ok(host.fetch(&request)?.success("tides")?.json()?.as_list().ok_or_else(odd_answer)?.to_vec())
    }
}

fn odd_answer() -> Failure {
    Failure::transient("tides.odd_answer", "The gauge's answer is no list of readings.")
}

fn start(pull: &Pull) -> Result<i64> {
    if pull.stream != "readings" {
        return Err(Failure::config("tides.unknown_stream", "The gauge has the stream `readings` and no other."));
    }
    let state = match &pull.state {
        None => return Ok(0),
        Some(state) => std::str::from_utf8(state).ok().and_then(|s| s.parse().ok().filter(|last: &i64| *last >= 0 && last.to_string() == s)),
    };
    state.filter(|_| pull.state_version == STATE_VERSION).ok_or_else(|| {
        Failure::permanent("tides.bad_state", "The checkpoint is not one of this plugin's; reset it.")
    })
}

/// What a pull that has caught up may promise: all of the days before the one it began on. The gauge knows a reading at once.
fn complete_until(began: i64) -> i64 { began - began % DAY_MS - 1 }

fn save(host: &Host, pull: &Pull, last: i64, watermark_ms: Option<i64>) -> Result<()> {
    let state = last.to_string();
    let place = Checkpoint { stream: &pull.stream, state: state.as_bytes(), state_version: STATE_VERSION, watermark_ms };
    Ok(host.checkpoint(&place)?)
}

fn record(reading: &Json) -> Option<Record> {
    let id = reading.get("id")?.as_integer()?;
    Some(Record::upsert(id.to_string(), reading, reading.get("at").and_then(Json::as_integer)))
}

sluice::source!(Tides, webhook);
