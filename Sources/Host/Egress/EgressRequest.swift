// Egress: the only way out. libcurl on the event loop: one request at a time as it is told, to an address that was
// checked when it was connected to, with a bounded window of the response. What may be asked is decided elsewhere.

import Domain

/// One request, complete: credentials are already in its headers.
package struct EgressRequest: Sendable {
  package var url: String
  package var method: String
  package var headers: [(name: String, value: String)] = []
  package var body: [UInt8] = []
  /// Private, loopback and link-local addresses and plain http: only by an operator's override of this endpoint.
  package var allowsPrivateAddress = false
  /// It leaves once, on a connection of its own: libcurl sends a request by itself again when a connection that it kept
  /// open turns out to be dead, even one that the upstream may have carried out.
  package var isSentOnce = false
  /// Certificate and private key that the client shows in TLS, PEM.
  package var identity: [UInt8]?
  /// An operator's: everything goes through it, in a tunnel.
  package var proxy: EgressProxy?
  package var timeoutMs = 60_000
  package var connectTimeoutMs = 10_000
  package var responseBytesMax = 32 << 20
  /// Certificate authorities instead of the system's, PEM; a test's.
  var trusted: [UInt8]?
  /// Addresses instead of what the resolver says; a test's.
  var pinned: [String] = []
  /// Called once there is a connection, on the loop's thread; a test's.
  var beforeSending: (@Sendable () -> Void)?

  package init(method: String, url: String) {
    self.method = method
    self.url = url
  }
}

/// Who leads requests on. Its address is its operator's choice; where it leads is checked here all the same.
package struct EgressProxy: Sendable {
  /// `http://host:port` or `https://host:port`.
  package let address: String
  package let login: (user: [UInt8], password: [UInt8])?
  /// A host's proxy for the way out of its network: what may be reached at a private address is asked directly.
  package let isForPublicOnly: Bool
  /// Who else is asked directly, by the name of the request and the address that it means.
  package let spares: @Sendable (_ name: String, _ address: String) -> Bool

  package init(
    address: String, login: (user: [UInt8], password: [UInt8])? = nil, isForPublicOnly: Bool = false,
    spares: @escaping @Sendable (_ name: String, _ address: String) -> Bool = { _, _ in false }
  ) {
    self.address = address
    self.login = login
    self.isForPublicOnly = isForPublicOnly
    self.spares = spares
  }

  func leads(to name: String, _ address: String) -> Bool {
    !(isForPublicOnly && NetworkAddress.isPrivate(text: address)) && !spares(name, address)
  }
}

/// Why there is no response, or no more of it.
package enum EgressFailure: OperatorError, Equatable {
  case privateAddress(host: String)
  case plainHTTP(url: String)
  case badURL(String)
  case noConnection(host: String, reason: String)
  case tls(host: String, reason: String)
  /// Ours: the one that was shown, or that none was.
  case certificateRefused(host: String, wasShown: Bool, reason: String)
  case timedOut(host: String, afterMs: Int)
  case broken(host: String, reason: String)
  case tooLarge(host: String, bytesMax: Int)
  case proxyRefused(host: String, status: Int)

  package var code: String {
    switch self {
    case .privateAddress: "egress.private_address"
    case .plainHTTP: "egress.plain_http"
    case .badURL: "egress.bad_url"
    case .noConnection: "egress.no_connection"
    case .tls: "egress.tls"
    case .certificateRefused: "egress.certificate_refused"
    case .timedOut: "egress.timed_out"
    case .broken: "egress.broken"
    case .tooLarge: "egress.too_large"
    case .proxyRefused: "egress.proxy_refused"
    }
  }
  package var message: String {
    switch self {
    case .privateAddress(let host): "\(host) resolves to a private address."
    case .plainHTTP(let url): "\(url) is not https."
    case .badURL(let url): "\(url) is not an address that can be asked."
    case .noConnection(let host, let reason): "\(host) could not be reached: \(reason)."
    case .tls(let host, let reason): "\(host) did not prove who it is: \(reason)."
    case .certificateRefused(let host, let wasShown, let reason):
      wasShown
        ? "\(host) does not take the certificate that it was shown: \(reason)."
        : "\(host) asks for a client's certificate, and was shown none: \(reason)."
    case .timedOut(let host, let ms): "\(host) did not answer within \(ms) ms."
    case .broken(let host, let reason): "The response of \(host) broke off: \(reason)."
    case .tooLarge(let host, let max): "The response of \(host) is larger than \(max) bytes."
    case .proxyRefused(let host, let status): "The proxy did not lead to \(host): it answered \(status)."
    }
  }
  package var remedy: String {
    switch self {
    case .privateAddress, .plainHTTP:
      "If it is meant, an operator allows it: `sluice connector enable … --endpoint NAME=URL --allow-private`."
    case .badURL: "Correct the endpoint in the manifest or its override."
    case .noConnection, .timedOut, .broken: "The operation is retried with growing pauses; check the upstream."
    case .tls:
      "Check the upstream's certificate; it is never ignored. An authority of your own is named by `egress.ca_file` in sluice.yaml."
    case .certificateRefused:
      "Store one that the upstream takes: `sluice secret set INSTANCE SLOT < FILE`, in a slot whose scheme is mtls."
    case .proxyRefused:
      "Check the proxy's rules and its login: `sluice secret set INSTANCE proxy < FILE` with one line USER:PASSWORD; of the host's proxy, `egress.proxy_login_file` in sluice.yaml."
    case .tooLarge: "Raise `response_bytes_max` in the manifest, or have the plugin ask for smaller pages."
    }
  }
}
