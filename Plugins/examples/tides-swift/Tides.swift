// TidesPlugin: reads a tide gauge. Comes in: its pages and deliveries. Goes out: records of `readings`. It keeps nothing in
// memory.

import SluiceKit

/// Reads a tide gauge: each reading once, in order, by pull and by webhook.
///
/// The state is the number of the last reading, in decimal.
struct Tides: WebhookSource {
  static let descriptor = Descriptor(id: "tides", name: "Tides", version: "1.0.0")

  struct Configuration: Decodable { let station: String }
  enum Stream: String, ManifestName { case readings }

  private let station: String

  init(_ configuration: Configuration) { station = configuration.station }

  func check(_ host: any Host) throws { _ = try readings(after: 0, limit: 1, host) }

  func discover(_ host: any Host) throws -> [StreamOffer<Stream>] {
    [StreamOffer(.readings, schema: ["type": "object", "required": ["id", "at", "level"]])]
  }

  func pull(_ pull: Pull<Stream>, host: any Host) throws {
    var last = try start(pull)
    let complete = completeUntil(try host.now(.wall))
    while true {
      let found = try readings(after: last, limit: 100, host)
      // One that is left out would never come again: the checkpoint lies behind it.
      let records = try found.map { reading in
        guard let record = record(reading) else { throw Self.oddAnswer }
        return record
      }
      guard let newest = found.last?["id"]?.integer else {
        return try host.checkpoint(place(last, of: pull, completeUntil: complete))
      }
      try host.emit(records, to: pull.stream)
      guard newest > last else {
        throw Failure.transient("tides.no_progress", "The gauge gave the same readings again.")
      }
      last = newest
      try host.checkpoint(place(last, of: pull))
    }
  }

  func receive(_ delivery: Delivery, host: any Host) throws {
    guard let reading = (try? JSON(parsing: delivery.body)).flatMap(record) else {
      throw Failure.permanent("tides.no_reading", "The delivery holds no reading.")
    }
    try host.emit([reading], to: Stream.readings)
  }

  private func start(_ pull: Pull<Stream>) throws -> Int64 {
    guard let state = pull.state else { return 0 }
    guard pull.stateVersion == 1, let last = (try? JSON(parsing: state))?.integer, last >= 0,
      JSON.integer(last).bytes == state
    else {
      throw Failure.permanent("tides.bad_state", "The checkpoint is not one of this plugin's; reset it.")
    }
    return last
  }

  /// What a pull that has caught up may promise: all of the days before the one it began on. The gauge knows a reading at once.
  private func completeUntil(_ began: Int64) -> Int64 { began - began % 86_400_000 - 1 }

  private func place(_ last: Int64, of pull: Pull<Stream>, completeUntil: Int64? = nil) -> Checkpoint {
    Checkpoint(stream: pull.stream, state: JSON.integer(last).bytes, watermarkMs: completeUntil)
  }

  private func readings(after last: Int64, limit: Int, _ host: any Host) throws -> [JSON] {
    let request = HTTPRequest(
      "GET", "/v1/stations/\(HTTPRequest.segment(station))/readings",
      query: [("after", "\(last)"), ("limit", "\(limit)")], endpoint: "tides", slot: "api")
    guard let list = try host.fetch(request).success(of: "tides").json().array else { throw Self.oddAnswer }
    return list
  }

  private static let oddAnswer = Failure.transient("tides.odd_answer", "The gauge's answer is no list of readings.")

  private func record(_ reading: JSON) -> Record? {
    guard let id = reading["id"]?.integer else { return nil }
    return Record(key: "\(id)", payload: reading.bytes, eventTimeMs: reading["at"]?.integer)
  }
}

@c(sluice_plugin_entry)
public func entry() -> UnsafeRawPointer { Library.entry(sources: [Tides.self]) }
