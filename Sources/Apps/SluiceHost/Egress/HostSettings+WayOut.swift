package import ConnectorFabric
import Domain
import Egress
import Foundation
package import Vault

extension HostSettings {
  /// How requests leave where nobody says otherwise for an instance.
  package struct WayOut: Sendable, Equatable {
    package struct Proxy: Sendable {
      /// `http://host:port` or `https://host:port`.
      package var url: String
      /// Where its login was read, and the login, one line `USER:PASSWORD`; nil for a proxy that asks for none.
      package var login: (file: String, secret: Secret)?
      /// Who is asked directly: by a name of its own or of a domain above it, or by the address it has.
      package var spared: [Spared] = []
    }

    package enum Spared: Sendable, Equatable {
      case domain(String)
      case range(IPRange)
    }

    package var proxy: Proxy?
    /// A file of certificate authorities that count beside the system's, PEM.
    package var authoritiesFile: String?
    package init() {}
  }

  /// Scheme, host and port and nothing else: a login there would be journaled, or stand in a file that everybody reads.
  package static func isProxy(_ text: String) -> Bool {
    guard let parts = URLComponents(string: text), ["http", "https"].contains(parts.scheme), parts.user == nil,
      parts.host?.isEmpty == false, let port = parts.port, (1...65_535).contains(port)
    else { return false }
    return parts.path.isEmpty && parts.query == nil && parts.fragment == nil && !text.contains("@")
  }
}

extension HostSettings.WayOut {
  init(_ r: DocumentReader, _ faults: inout DocumentFaultList) {
    guard faults.allow(["proxy_url", "proxy_login_file", "no_proxy", "ca_file"], in: r) else { return }
    faults.reading(r["ca_file"]) { r throws(DocumentError) in authoritiesFile = try Self.authorities(r) }
    guard r["proxy_url"].isPresent else {
      for key in ["proxy_login_file", "no_proxy"] where r[key].isPresent {
        faults.add(r[key].error("set without proxy_url", allowed: "only beside proxy_url"))
      }
      return
    }
    var proxy = Proxy(url: "")
    faults.reading(r["proxy_url"]) { r throws(DocumentError) in
      let form = "http://host:port or https://host:port, without a login: that is what proxy_login_file is for"
      proxy.url = try r.string(form)
      // What was given is not repeated: it may hold a login.
      guard HostSettings.isProxy(proxy.url) else { throw r.error("not a proxy's address", allowed: form) }
    }
    faults.reading(r["proxy_login_file"]) { r throws(DocumentError) in proxy.login = try Self.login(r) }
    var items: [DocumentReader] = []
    faults.reading { () throws(DocumentError) in items = try r["no_proxy"].items() }
    for item in items { faults.reading { () throws(DocumentError) in proxy.spared.append(try Spared(item)) } }
    self.proxy = proxy
  }

  private static func authorities(_ r: DocumentReader) throws(DocumentError) -> String {
    let allowed = "the absolute path of a file with certificates of authorities, PEM"
    let path = try r.string(allowed)
    guard path.hasPrefix("/") else { throw r.error("\"\(path.prefix(60))\"", allowed: allowed) }
    do {
      guard try OperatorFile.document(path).contains("-----BEGIN CERTIFICATE-----") else {
        throw OperatorFileError.notText(path: path)
      }
    } catch OperatorFileError.notText {
      throw r.error("\(path), which holds none in PEM", allowed: allowed)
    } catch let error as any OperatorError {
      throw r.error("a file that cannot be used: \(error.message.dropLast())", allowed: allowed)
    } catch {
      throw r.error("\(path), which cannot be read", allowed: allowed)
    }
    return path
  }

  /// As the host key: a file of nobody else, or what systemd hands over.
  private static func login(_ r: DocumentReader) throws(DocumentError) -> (file: String, secret: Secret) {
    let allowed = "the absolute path of a file that only its owner may read, with one line USER:PASSWORD"
    let path = try r.string(allowed)
    guard path.hasPrefix("/") else { throw r.error("\"\(path.prefix(60))\"", allowed: allowed) }
    var status = stat()
    guard stat(path, &status) == 0 else { throw r.error("\(path), which is not there", allowed: allowed) }
    guard status.st_mode & 0o077 == 0 else { throw r.error("\(path), which others may read too", allowed: allowed) }
    guard var bytes = try? OperatorFile.read(path) else {
      throw r.error("\(path), which cannot be read", allowed: allowed)
    }
    while let last = bytes.last, last == 0x0A || last == 0x0D { bytes.removeLast() }
    guard (try? SlotSecret(bytes, for: .basic)) != nil else {
      throw r.error("\(path), which holds something else", allowed: allowed)
    }
    return (path, Secret(bytes))
  }

  var json: JSONValue {
    [
      "ca_file": authoritiesFile.map { .string($0) } ?? .null,
      "proxy_url": proxy.map { .string($0.url) } ?? .null,
      "proxy_login_file": (proxy?.login).map { .string($0.file) } ?? .null,
      "no_proxy": .array((proxy?.spared ?? []).map { .string($0.text) }),
    ]
  }
}

extension HostSettings.WayOut.Spared {
  init(_ r: DocumentReader) throws(DocumentError) {
    let allowed = "a domain, which also means what is below it, or addresses, e.g. [example.com, 10.0.0.0/8]"
    let text = try r.string(allowed)
    if let range = IPRange(text) {
      self = .range(range)
      return
    }
    let domain = (text.hasPrefix(".") ? String(text.dropFirst()) : text).lowercased()
    let labels = domain.split(separator: ".", omittingEmptySubsequences: false)
    let isDomain = labels.allSatisfy { label in
      !label.isEmpty && label.utf8.allSatisfy { $0 == 0x2D || (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) }
    }
    // "10.0.0" and "10.0.0.0/33" were meant to be addresses.
    guard isDomain, labels.last?.utf8.contains(where: { $0 > 0x39 }) == true else {
      throw r.error("\"\(text.prefix(60))\"", allowed: allowed)
    }
    self = .domain(domain)
  }

  var text: String {
    switch self {
    case .domain(let name): name
    case .range(let range): range.text
    }
  }

  func covers(_ name: String, _ address: String) -> Bool {
    switch self {
    case .domain(let domain): name.lowercased() == domain || name.lowercased().hasSuffix("." + domain)
    case .range(let range): range.contains(address)
    }
  }
}

extension HostSettings.WayOut.Proxy: Equatable {
  package static func == (left: Self, right: Self) -> Bool {
    left.url == right.url && left.login?.file == right.login?.file && left.spared == right.spared
  }

  /// As the egress takes it.
  var leading: EgressProxy {
    let parts = login?.secret.reveal { bytes in
      bytes.firstIndex(of: UInt8(ascii: ":")).map {
        (user: Array(bytes[..<$0]), password: Array(bytes[($0 + 1)...]))
      }
    }
    return EgressProxy(
      address: url, login: parts ?? nil, isForPublicOnly: true,
      spares: { [spared] name, address in spared.contains { $0.covers(name, address) } })
  }
}
