internal import Foundation

/// One HTTP request, as far as the CRM looks at it.
package struct Call: Sendable {
  package var method: String
  package var path: String
  package var query: [String: String] = [:]
  /// Header fields, names in lower case.
  package var headers: [String: String] = [:]
  package var body: [UInt8] = []

  package init(
    _ method: String, _ path: String, query: [String: String] = [:], headers: [String: String] = [:],
    body: [UInt8] = []
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.body = body
  }

  /// The path without its empty parts, percent-decoded.
  var parts: [String] { path.split(separator: "/").map { $0.removingPercentEncoding ?? String($0) } }
}

/// One HTTP response, and what goes wrong on its way out.
package struct Answer: Sendable {
  package enum Delivery: Sendable, Equatable {
    case whole
    /// The head promises the whole body; half of it follows, then the connection closes.
    case truncated
    /// A body of that many bytes, streamed.
    case flood(bytes: Int)
    /// The connection closes without a response.
    case cut
  }

  package var status: Int
  package var headers: [String: String] = [:]
  package var body: [UInt8] = []
  package var delivery = Delivery.whole
  package var delay: Duration = .zero

  package init(_ status: Int, _ json: JSONValue? = nil, headers: [String: String] = [:]) {
    self.status = status
    self.headers = headers
    if let json {
      body = json.bytes
      self.headers["Content-Type"] = "application/json"
    }
  }

  package static func error(_ status: Int, _ code: String, _ message: String) -> Answer {
    Answer(status, ["error": ["code": .string(code), "message": .string(message)]])
  }

  package var json: JSONValue? { JSONValue(parsing: body) }
}
