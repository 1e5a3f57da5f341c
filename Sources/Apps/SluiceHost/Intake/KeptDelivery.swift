import CanonicalJSON
import ConnectorFabric
import Domain
import PluginHost
import Vault

/// A delivery as it is journaled, and given to its plugin: the body, and of the request what the manifest declares.
struct KeptDelivery {
  /// Query and headers together, as frames carry them beside a body of its largest.
  private static let aroundBytesMax = 16 << 10
  private static let queryBytesMax = 8 << 10

  let id: String
  private let request: WebhookRequest
  private let method: String?
  private let query: String
  private let headers: [String: JSONValue]

  /// - Returns: nil when there is more of it than is taken.
  init?(_ request: WebhookRequest, _ webhook: Manifest.Webhook) {
    let kept = webhook.kept
    self.request = request
    method = kept.methods.isEmpty ? nil : request.method
    query = QueryText.part(of: request.query, named: kept.query)
    var headers: [String: JSONValue] = [:]
    for name in kept.headers { headers[name] = request.headers[name].map { .string($0) } }
    self.headers = headers
    let around = headers.reduce(query.utf8.count) { $0 + $1.key.utf8.count + ($1.value.string?.utf8.count ?? 0) }
    guard request.body.count <= webhook.bodyBytesMax, query.utf8.count <= Self.queryBytesMax,
      around <= Self.aroundBytesMax
    else { return nil }
    id = webhook.id.name(of: request)
  }

  func document(of instance: InstanceID, receivedAtMs: Int64) -> JSONValue {
    var document: [String: JSONValue] = [
      "instance": .string(instance.rawValue), "delivery_id": .string(id), "received_at_ms": .integer(receivedAtMs),
    ]
    // As text where it is text, unless what has to be escaped in it makes that the longer form.
    let text = String(validating: request.body, as: UTF8.self).map { JSONValue.string($0) }
    if let text, request.body.count < 1_024 || text.canonicalBytes.count <= (request.body.count + 2) / 3 * 4 {
      document["body"] = text
    } else {
      document["body_base64"] = .string(String(decoding: Base64.encode(request.body), as: UTF8.self))
    }
    document["method"] = method.map { .string($0) }
    document["query"] = query.isEmpty ? nil : .string(query)
    document["headers"] = headers.isEmpty ? nil : .object(headers)
    return .object(document)
  }
}

extension OperationStart {
  /// Gives a plugin a delivery that was kept.
  init(delivery: JSONValue, at position: Position) {
    self.init(kind: .receive)
    name = delivery["delivery_id"]?.string ?? "\(position)"
    body =
      delivery["body_base64"]?.string.flatMap { Base64.decode(Array($0.utf8)) }
      ?? Array((delivery["body"]?.string ?? "").utf8)
    timeMs = delivery["received_at_ms"]?.integer
    method = delivery["method"]?.string ?? ""
    query = delivery["query"]?.string ?? ""
    headers = (delivery["headers"]?.object ?? [:]).sorted { $0.key < $1.key }.map { ($0.key, $0.value.string ?? "") }
  }
}
