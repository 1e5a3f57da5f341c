import SluiceKit

/// A kind of object, by the name of its list.
enum StripeStream: String, ManifestName {
  case customers, products, subscriptions, invoices, charges

  /// - Parameter object: as objects say of themselves in `object`.
  init?(object: String) {
    guard let found = Self.allCases.first(where: { $0.object == object }) else { return nil }
    self = found
  }

  private var object: String { String(rawValue.dropLast()) }
  var path: String { "/v1/\(rawValue)" }

  /// Without it cancelled subscriptions are left out.
  var listQuery: [(name: String, value: String)] { self == .subscriptions ? [("status", "all")] : [] }

  /// The group of events in which those about it are.
  var eventTypes: String { self == .subscriptions ? "customer.subscription.*" : "\(object).*" }

  /// The one type after which the object is gone. A deleted subscription is one that has ended: it stays.
  var deletion: String? { self == .subscriptions || self == .charges ? nil : "\(object).deleted" }

  /// JSON Schema of a record: what every object has, and what the mapping reads.
  var schema: JSON {
    let text: JSON = ["type": ["string", "null"]]
    let own: [(String, JSON)] =
      switch self {
      case .customers: [("name", text), ("email", text), ("currency", text)]
      case .products: [("name", text), ("active", ["type": "boolean"])]
      case .subscriptions: [("customer", text), ("status", text)]
      case .invoices: [("customer", text), ("status", text), ("amount_due", ["type": "integer"])]
      case .charges: [("customer", text), ("amount", ["type": "integer"]), ("currency", text)]
      }
    let common: [(String, JSON)] = [
      ("id", ["type": "string"]), ("object", ["const": .string(object)]), ("created", ["type": "integer"]),
    ]
    return [
      "type": "object", "required": ["id", "object"],
      "properties": .object((common + own).map { JSON.Member($0.0, $0.1) }),
    ]
  }
}
