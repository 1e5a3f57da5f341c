// CRMSourcePlugin: the CRM as a source. Comes in: pages in order of change, and webhooks. Goes out: records of four streams,
// with checkpoints. It writes nothing, and claims no day that may still change.

import SluiceKit

/// Brings accounts, products, reps and opportunities in.
struct CRMSource: WebhookSource {
  static let descriptor = Descriptor(id: "crm", name: "CRM", version: "1.0.0")
  static let bodyBytesMax = 32 << 20

  struct Configuration: Decodable {
    var pageSize: Int?
    enum CodingKeys: String, CodingKey { case pageSize = "page_size" }
  }

  let pageSize: Int

  init(_ configuration: Configuration) throws {
    pageSize = configuration.pageSize ?? 200
    guard (1...500).contains(pageSize) else { throw Failure.setting("page_size", "must be from 1 to 500") }
  }

  func check(_ host: any Host) throws {
    _ = try page(of: .opportunities, query: [("limit", "1")], host: host)
  }

  func discover(_ host: any Host) throws -> [StreamOffer<CRMStream>] {
    CRMStream.allCases.map { StreamOffer($0, schema: $0.schema) }
  }

  func pull(_ pull: Pull<CRMStream>, host: any Host) throws {
    var paging = try Paging(state: pull.state, version: pull.stateVersion)
    while true {
      let page = try page(of: pull.stream, query: paging.query(limit: pageSize), host: host)
      let step = try paging.advance(past: page)
      try emit(page.items, to: pull.stream, host: host)
      let checkpoint = Checkpoint(
        stream: pull.stream, state: step.state, stateVersion: Paging.stateVersion, watermarkMs: step.watermarkMs)
      try host.checkpoint(checkpoint)
      if step.isLast { return }
    }
  }

  func receive(_ delivery: Delivery, host: any Host) throws {
    switch try Announcement(parsing: delivery.body) {
    case .opportunity(let item): try emit([item], to: .opportunities, host: host)
    case .other(let type):
      let fields = [LogField("type", type)]
      host.log(.info, "crm.event_ignored", "A delivery of a type that means nothing here.", fields: fields)
    }
  }

  private func page(of stream: CRMStream, query: [(name: String, value: String)], host: any Host) throws -> Page {
    let path = "/api/v1/\(stream.rawValue)"
    let request = HTTPRequest("GET", path, query: query, endpoint: "crm", slot: "api")
    let response: HTTPResponse
    do {
      response = try host.fetch(request, bytesMax: Self.bodyBytesMax)
    } catch {
      guard error.reason == .tooLarge else { throw error }
      throw Failure.permanent(
        "crm.answer_too_large",
        "An answer to GET \(path) is larger than \(Self.bodyBytesMax >> 20) MiB; lower `page_size`.")
    }
    do {
      return try Page(parsing: response.success(of: "crm").body)
    } catch let error as JSONError {
      throw Failure.transient("crm.bad_answer", "GET \(path) was answered with no page of records: \(error).")
    }
  }

  /// Never skips a record: one that the host cannot take stops the stream, and a person decides.
  private func emit(_ items: [Item], to stream: CRMStream, host: any Host) throws {
    do {
      try host.emit(items.map(\.record), to: stream)
    } catch {
      guard error.reason == .tooLarge, error.accepted < items.count else { throw error }
      throw Failure.permanent(
        "crm.record_too_large",
        "Record \(items[error.accepted].id) of \(stream.rawValue) exceeds `record_bytes_max` of the manifest; raise it."
      )
    }
  }
}
