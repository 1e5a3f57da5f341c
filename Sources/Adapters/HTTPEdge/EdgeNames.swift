import Foundation
import Synchronization

/// The names under which this host may be asked, as `host:port`. What asks under another one may be a page whose own
/// name was made to point here (DNS rebinding).
package final class EdgeNames: Sendable {
  private struct Known {
    /// With the port they are asked at.
    var exact: Set<String> = []
    /// At any port: what rebinding needs is a name of its own.
    var atAnyPort: Set<String> = []
  }
  private let known: Mutex<Known>
  /// Where forms may come from although a proxy asks here under another name than the browser did.
  private let origins: Set<String>

  /// - Parameters:
  ///   - publicURL: Under which others reach this host through what stands before it.
  ///   - more: Further names, with a port or without.
  package init(publicURL: String? = nil, more: [String] = []) {
    var known = Known()
    var origins: Set<String> = []
    for name in more.map({ $0.lowercased() }) {
      if Self.split(name)?.port == nil { known.atAnyPort.insert(name) } else { known.exact.insert(name) }
      origins.formUnion(["https://\(name)", "http://\(name)"])
    }
    if let publicURL, let place = Self.place(of: publicURL) {
      // Whoever leaves the scheme's own port out means it: RFC 9110, 4.2.3.
      known.exact.insert("\(place.host):\(place.port)")
      if place.port == place.ownPort { known.exact.insert(place.host) }
      origins.insert("\(place.scheme)://\(place.host)" + (place.port == place.ownPort ? "" : ":\(place.port)"))
    }
    self.known = Mutex(known)
    self.origins = origins
  }

  /// From now on it is served there. Who listens on every address is reached on this machine by its own.
  package func serve(at host: String, port: Int) {
    let own = Self.isEveryAddress(host) ? ["127.0.0.1", "[::1]"] : [host.lowercased()]
    known.withLock { $0.exact.formUnion((own + ["localhost"]).map { "\($0):\(port)" }) }
  }

  package static func isEveryAddress(_ host: String) -> Bool { host == "0.0.0.0" || host == "[::]" }

  /// - Parameter asked: What a request's `Host` says.
  package func contains(_ asked: String) -> Bool {
    let asked = asked.lowercased()
    return known.withLock { known in
      known.exact.contains(asked) || Self.split(asked).map { known.atAnyPort.contains($0.host) } ?? false
    }
  }

  package func isOrigin(_ origin: String) -> Bool { origins.contains(origin.lowercased()) }

  /// Whether a request's `Host` names an address: no name that anybody could make to point elsewhere.
  package static func isAddress(_ asked: String) -> Bool {
    guard let host = split(asked)?.host else { return false }
    var bytes = in6_addr()
    guard host.hasPrefix("[") else { return inet_pton(AF_INET, host, &bytes) == 1 }
    return host.hasSuffix("]") && inet_pton(AF_INET6, String(host.dropFirst().dropLast()), &bytes) == 1
  }

  /// - Returns: nil for what is no `host` or `host:port`.
  private static func split(_ text: String) -> (host: String, port: Int?)? {
    let end = text.hasPrefix("[") ? text.firstIndex(of: "]").map { text.index(after: $0) } : text.firstIndex(of: ":")
    guard let end else { return text.isEmpty || text.hasPrefix("[") ? nil : (text, nil) }
    let (host, rest) = (String(text[..<end]), text[end...])
    if rest.isEmpty { return (host, nil) }
    guard !host.isEmpty, rest.first == ":", rest.dropFirst().utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let port = Int(rest.dropFirst()), port <= 65_535
    else { return nil }
    return (host, port)
  }

  private static func place(of url: String) -> (scheme: String, host: String, port: Int, ownPort: Int)? {
    let isTLS = url.lowercased().hasPrefix("https://")
    guard let begin = url.range(of: "://") else { return nil }
    guard let (host, port) = split(url[begin.upperBound...].prefix { $0 != "/" }.lowercased()) else { return nil }
    let own = isTLS ? 443 : 80
    return (isTLS ? "https" : "http", host, port ?? own, own)
  }
}
