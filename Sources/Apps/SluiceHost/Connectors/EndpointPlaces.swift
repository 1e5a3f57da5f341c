package import ConnectorFabric
package import Domain

/// Where an operator leads an endpoint instead.
package struct EndpointOverride: Sendable, Equatable {
  package let base: String
  /// Whether it may be a private address and plain http: an operator's own word. Without it, it is held to what a manifest's
  /// base is.
  package let allowsPrivate: Bool

  package init(_ base: String, allowsPrivate: Bool) {
    self.base = base
    self.allowsPrivate = allowsPrivate
  }
}

/// As an activation holds it: a text, as every override was once, allows private addresses; `{"guarded": text}` does not. Who
/// does not know the second form refuses it, rather than allow more.
extension EndpointOverride: Codable {
  private struct Guarded: Codable { let guarded: String }

  package init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if let base = try? value.decode(String.self) {
      self.init(base, allowsPrivate: true)
    } else {
      self.init(try value.decode(Guarded.self).guarded, allowsPrivate: false)
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    if allowsPrivate { try value.encode(base) } else { try value.encode(Guarded(guarded: base)) }
  }
}

/// Where each endpoint of an instance is, and whether that may be a private address: told here alone, by its manifest, its
/// configuration and what its operator leads elsewhere.
package struct EndpointPlaces: Sendable {
  private let places: [String: EndpointOverride]

  package init(_ manifest: Manifest, config: JSONValue, overrides: [String: EndpointOverride] = [:]) {
    places = manifest.endpoints.reduce(into: [:]) { places, endpoint in
      // What a configuration makes no host of is nowhere: nothing is sent.
      places[endpoint.name] =
        overrides[endpoint.name]
        ?? endpoint.base.resolved(by: config).map { EndpointOverride($0, allowsPrivate: false) }
    }
  }

  package func base(of endpoint: String) -> String? { places[endpoint]?.base }
  package func allowsPrivate(_ endpoint: String) -> Bool { places[endpoint]?.allowsPrivate ?? false }
}

extension Enabling {
  /// Endpoints that may be private addresses.
  var privateEndpoints: [String] { endpoints.filter(\.value.allowsPrivate).keys.sorted() }

  /// What its operator leads elsewhere, a line each.
  func leads(_ manifest: Manifest) -> [String] {
    manifest.endpoints.compactMap { endpoint in
      endpoints[endpoint.name].map {
        "leads \(endpoint.name) to \($0.base) instead of \(endpoint.base)"
          + ($0.allowsPrivate ? ", which may be a private address and plain http" : "")
      }
    }
  }

  /// What an operator gave for an endpoint.
  /// - Parameter allowsPrivate: Whether it was said that it may be private. Then it may, whatever it looks like: names of a
  ///   network's own look like others.
  static func override(
    of endpoint: String, _ base: String, allowsPrivate: Bool
  ) throws(EnablingError) -> EndpointOverride {
    guard RunningHost.isBase(base) else { throw .badOverride(endpoint: endpoint, base: base) }
    guard !allowsPrivate else { return EndpointOverride(base, allowsPrivate: true) }
    guard let held = EndpointBase(base), held.keys.isEmpty, held.isPublicName else {
      throw .privateNotAllowed(endpoint: endpoint)
    }
    return EndpointOverride(held.description, allowsPrivate: false)
  }
}
