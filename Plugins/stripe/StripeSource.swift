// StripePlugin: Stripe as a source. Comes in: lists, events and webhooks. Goes out: records of five streams, with
// checkpoints. It writes nothing, and gives the same event the same version, whichever way it came.

import SluiceKit

/// Brings customers, products, subscriptions, invoices and charges in.
struct StripeSource: WebhookSource {
  static let descriptor = Descriptor(id: "stripe", name: "Stripe", version: "1.0.0")
  static let bodyBytesMax = 32 << 20

  struct Configuration: Decodable {
    var pageSize: Int?
    enum CodingKeys: String, CodingKey { case pageSize = "page_size" }
  }

  let pageSize: Int

  init(_ configuration: Configuration) throws {
    pageSize = configuration.pageSize ?? 100
    guard (1...100).contains(pageSize) else { throw Failure.setting("page_size", "must be from 1 to 100") }
  }

  func check(_ host: any Host) throws {
    _ = try page("/v1/customers", query: [("limit", "1")], host: host)
  }

  func discover(_ host: any Host) throws -> [StreamOffer<StripeStream>] {
    StripeStream.allCases.map { StreamOffer($0, schema: $0.schema) }
  }

  func pull(_ pull: Pull<StripeStream>, host: any Host) throws {
    let stream = pull.stream
    let now = try host.now(.wall) / 1_000
    var place = try Place(state: pull.state, version: pull.stateVersion, now: now) {
      host.log(.warning, "stripe.events_expired", "Stripe keeps events for 30 days: \(stream.rawValue) is listed anew.")
    }
    if place.needsSnapshot { place.begin(newestEvent: try newestEvent(host)) }
    while true {
      guard let page = try page(at: place, of: stream, host: host) else {
        try place.restart(stream)
        host.log(.warning, "stripe.cursor_gone", "The object at the cursor is gone: the list is read again.")
        continue
      }
      try emit(page, of: stream, at: place, host: host)
      let isLast = try place.advance(past: page)
      try host.checkpoint(
        Checkpoint(
          stream: pull.stream, state: place.state, stateVersion: Place.stateVersion,
          watermarkMs: isLast ? place.watermarkMs : nil))
      if isLast { return }
    }
  }

  func receive(_ delivery: Delivery, host: any Host) throws {
    let event: Event
    do { event = try Event(JSON(parsing: delivery.body)) } catch let error as JSONError {
      throw Failure.permanent("stripe.bad_delivery", "A delivery is no event of Stripe: \(error).")
    }
    guard let (stream, record) = event.record else {
      let fields = [LogField("type", event.type)]
      return host.log(.info, "stripe.event_ignored", "An event about nothing that has a stream here.", fields: fields)
    }
    try emit([record], to: stream, host: host)
  }

  /// When the newest event happened, in seconds since 1970; 0 when there is none.
  private func newestEvent(_ host: any Host) throws -> Int64 {
    let page = try page("/v1/events", query: [("limit", "1")], host: host)
    return try page?.items.first.map { try Event($0).created } ?? 0
  }

  /// - Returns: nil when the object behind which to go on is gone.
  private func page(at place: Place, of stream: StripeStream, host: any Host) throws -> Page? {
    var query = [(name: "limit", value: String(pageSize))]
    if let after = place.after { query.append(("starting_after", after)) }
    switch place.phase {
    case .listing:
      return try page(stream.path, query: query + stream.listQuery, host: host)
    case .following:
      query += [("type", stream.eventTypes), ("created[gte]", String(place.eventsFrom))]
      return try page("/v1/events", query: query, host: host)
    }
  }

  private func page(_ path: String, query: [(name: String, value: String)], host: any Host) throws -> Page? {
    let request = HTTPRequest("GET", path, query: query, endpoint: "stripe", slot: "api")
    let response: HTTPResponse
    do { response = try host.fetch(request, bytesMax: Self.bodyBytesMax) } catch {
      guard error.reason == .tooLarge else { throw error }
      throw Failure.permanent(
        "stripe.answer_too_large",
        "An answer to GET \(path) is larger than \(Self.bodyBytesMax >> 20) MiB; lower `page_size`.")
    }
    if [400, 404].contains(response.status), query.contains(where: { $0.name == "starting_after" }),
      (try? response.json())?["error"]?["code"]?.string == "resource_missing"
    {
      return nil
    }
    do { return try Page(parsing: response.success(of: "stripe").body) } catch let error as JSONError {
      throw Failure.transient("stripe.bad_answer", "GET \(path) was answered with no list of objects: \(error).")
    }
  }

  private func emit(_ page: Page, of stream: StripeStream, at place: Place, host: any Host) throws {
    let records: [Record]
    do {
      records = try page.items.compactMap { item in
        switch place.phase {
        case .listing: return try Listed(item, snapshot: place.snapshot).record
        case .following:
          guard let (found, record) = try Event(item).record, found == stream else { return nil }
          return record
        }
      }
    } catch let error as JSONError {
      throw Failure.transient(
        "stripe.bad_answer", "A list of \(stream.rawValue) holds what is no such object: \(error).")
    }
    if !records.isEmpty { try emit(records, to: stream, host: host) }
  }

  /// Never skips a record: one that the host cannot take stops the stream, and a person decides.
  private func emit(_ records: [Record], to stream: StripeStream, host: any Host) throws {
    do { try host.emit(records, to: stream) } catch {
      guard error.reason == .tooLarge, error.accepted < records.count else { throw error }
      throw Failure.permanent(
        "stripe.record_too_large",
        "\(records[error.accepted].key) of \(stream.rawValue) exceeds `record_bytes_max` of the manifest; raise it.")
    }
  }
}
