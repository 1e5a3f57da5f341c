import Domain
package import HTTPEdge

extension HostSettings {
  /// What the HTTP doors may bear at once; nil leaves it to the machine.
  package struct Edge: Sendable, Equatable {
    package var connectionsMax: Int?
    package var addressConnectionsMax: Int?
    package var bodyBytesMax = EdgeLimits().bodyBytesMax

    /// - Parameters:
    ///   - filesMax: How many files the process may have open.
    ///   - isBehindProxy: Whether all come from one address.
    package func limits(filesMax: Int, isBehindProxy: Bool) -> EdgeLimits {
      var limits = EdgeLimits()
      let room = max(1, filesMax / 2)
      // What an operator says still leaves the host files for its work.
      limits.connectionsMax = min(connectionsMax ?? limits.connectionsMax, room)
      limits.addressConnectionsMax = addressConnectionsMax ?? (isBehindProxy ? nil : max(1, limits.connectionsMax / 2))
      limits.bodyBytesMax = bodyBytesMax
      return limits
    }
  }

  /// Whether something in front of the host asks it in others' place.
  var isBehindProxy: Bool { isBehindTLS || publicURL != nil || proxy != nil }

  mutating func readEdge(_ r: DocumentReader, _ faults: inout DocumentFaultList) {
    guard faults.allowIfPresent(["connections_max", "address_connections_max", "body_bytes_max"], in: r) else { return }
    faults.reading(r["connections_max"]) { r throws(DocumentError) in
      edge.connectionsMax = try r.integer(in: 1...1_000_000)
    }
    faults.reading(r["address_connections_max"]) { r throws(DocumentError) in
      edge.addressConnectionsMax = try r.integer(in: 1...1_000_000)
    }
    // Less than two bodies' room would turn everybody away.
    faults.reading(r["body_bytes_max"]) { r throws(DocumentError) in
      edge.bodyBytesMax = try r.integer(in: 2 << 20...(1 << 40))
    }
  }

  static func hostNames(_ r: DocumentReader) throws(DocumentError) -> [String] {
    var names: [String] = []
    for item in try r.items() {
      let text = try item.string(hostNameForm)
      guard let name = hostName(text) else { throw item.error("\"\(text.prefix(60))\"", allowed: hostNameForm) }
      names.append(name)
    }
    return names
  }

  package static let hostNameForm = "a name with or without a port, e.g. sluice.internal or sluice.internal:8080"

  /// - Returns: nil for what is no name.
  package static func hostName(_ text: String) -> String? {
    let name = text.lowercased()
    guard !name.isEmpty, name.utf8.count <= 260, name.first != ":",
      name.utf8.allSatisfy({ byte in
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || "-._:[]".utf8.contains(byte)
      })
    else { return nil }
    return name
  }

  var edgeJSON: JSONValue {
    [
      "connections_max": edge.connectionsMax.map { .integer(Int64($0)) } ?? .null,
      "address_connections_max": edge.addressConnectionsMax.map { .integer(Int64($0)) } ?? .null,
      "body_bytes_max": .integer(Int64(edge.bodyBytesMax)),
    ]
  }
}
