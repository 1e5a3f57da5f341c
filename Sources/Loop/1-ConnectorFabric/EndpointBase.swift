package import Domain

/// Where an endpoint is: `https://host[:port][/path]`, by a name that TLS can prove. The host's first labels may be `{key}`s,
/// one whole label each, which every instance's configuration says for itself: `https://{subdomain}.zendesk.com`.
package struct EndpointBase: Sendable, Equatable, CustomStringConvertible {
  /// As it was written, without a slash at its end.
  package let description: String
  /// What the configuration says of its host, in order; empty where it is the same for every instance.
  package let keys: [String]
  private let labels: [Substring]
  /// The port and the path.
  private let end: String

  /// - Returns: nil for what is no such address. Behind `{key}`s at least two labels are the author's own, so that no
  ///   configuration leads to a host that is not below a name of theirs.
  package init?(_ text: String) {
    guard text.hasPrefix("https://") else { return nil }
    let parts = text.dropFirst(8).split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let authority = parts[0].split(separator: ":", omittingEmptySubsequences: false)
    guard authority.count <= 2, authority.dropFirst().allSatisfy(Self.isPort) else { return nil }
    let labels = authority[0].split(separator: ".", omittingEmptySubsequences: false)
    let keys = labels.prefix { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
    let own = labels.dropFirst(keys.count)
    guard zip(labels, keys).allSatisfy({ $0 == "{\($1)}" && Self.isKey($1) }), Set(keys).count == keys.count,
      keys.isEmpty || own.count >= 2, own.allSatisfy(Self.isName),
      // A last label that begins with a digit is an address in one of its spellings (RFC 3986, 3.2.2; WHATWG URL).
      own.last?.first?.isNumber == false
    else { return nil }
    if parts.count == 2, !parts[1].isEmpty {
      guard PathTemplate("/" + (parts[1].hasSuffix("/") ? parts[1].dropLast() : parts[1]))?.names == [] else {
        return nil
      }
    }
    description = text.hasSuffix("/") ? String(text.dropLast()) : text
    self.keys = keys
    self.labels = labels
    end = String(description.dropFirst(8 + authority[0].utf8.count))
  }

  /// The address by what a configuration says.
  /// - Returns: nil where that makes no host: then there is nowhere to send anything.
  package func resolved(by config: JSONValue) -> String? {
    guard !keys.isEmpty else { return description }
    let values = keys.compactMap { config[$0]?.string }
    guard values.count == keys.count, values.allSatisfy(Self.isLabel) else { return nil }
    let host = (values + labels.dropFirst(keys.count).map(String.init)).joined(separator: ".")
    return host.utf8.count <= 253 ? "https://" + host + end : nil  // RFC 1035, 2.3.4, as text
  }

  /// Whether the name cannot be one of a machine's own network by its form alone. What it resolves to is judged when it is
  /// connected to.
  package var isPublicName: Bool {
    // RFC 6761, 6762, 8375, and ICANN's word on "internal".
    let networksOwn: Set<String> = ["localhost", "local", "internal", "arpa"]
    return labels.count >= 2 && !networksOwn.contains(labels.last!.lowercased())
  }

  /// Where a configuration says of its hosts what is no label.
  func misfits(of config: JSONValue) -> [ArgumentSchema.Misfit] {
    guard resolved(by: config) == nil else { return [] }
    let wrong = keys.filter { !Self.isLabel(config[$0]?.string ?? "") }
    guard !wrong.isEmpty else {
      return keys.prefix(1).map { ArgumentSchema.Misfit(path: $0, reason: "too long for a host below \(self)") }
    }
    return wrong.map {
      ArgumentSchema.Misfit(
        path: $0,
        reason: "not one label of the host \(self): 1 to 63 of a–z, 0–9 and inner hyphens, and not digits alone")
    }
  }

  /// One label of a name (RFC 1123, 2.1), in the one spelling that names are compared in. Digits alone would be read as
  /// part of an address.
  private static func isLabel(_ text: String) -> Bool {
    (1...63).contains(text.utf8.count)
      && text.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
      && text.utf8.first != 0x2D && text.utf8.last != 0x2D && !text.utf8.allSatisfy { (0x30...0x39).contains($0) }
  }

  /// A label that an author writes.
  private static func isName(_ text: Substring) -> Bool {
    (1...63).contains(text.utf8.count)
      && text.utf8.allSatisfy { (0x61...0x7A).contains($0 | 0x20) || (0x30...0x39).contains($0) || $0 == 0x2D }
  }

  private static func isKey(_ text: String) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy {
        (0x61...0x7A).contains($0 | 0x20) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x5F
      }
  }

  private static func isPort(_ text: Substring) -> Bool {
    text.utf8.allSatisfy { (0x30...0x39).contains($0) } && Int(text).map { (1...65_535).contains($0) } ?? false
  }
}

extension Manifest {
  /// Every place where an instance's configuration does not fit: its schema, and what endpoints make of it.
  package func misfits(of config: JSONValue) -> [ArgumentSchema.Misfit] {
    var found = self.config.misfits(of: config)
    for misfit in endpoints.flatMap({ $0.base.misfits(of: config) })
    where !found.contains(where: { $0.path == misfit.path }) {
      found.append(misfit)
    }
    return found
  }
}
