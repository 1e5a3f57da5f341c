import CanonicalJSON
import Domain
import Identity

/// Routes and answers, without a socket: tests ask it directly.
package struct Edge: Sendable {
  package static let bodyBytesMax = 1 << 20
  let backend: any EdgeBackend
  let console: Console
  private let names: EdgeNames

  /// - Parameter isBehindTLS: People reach the console by https, as something in front of this host ends TLS.
  package init(backend: any EdgeBackend, isBehindTLS: Bool = false, names: EdgeNames) {
    self.backend = backend
    self.names = names
    console = Console(backend: backend, isBehindTLS: isBehindTLS, names: names)
  }

  package func answer(_ request: EdgeRequest) async -> EdgeResponse {
    var response = Self.guarded(await route(request))
    if request.method == "HEAD" { response.body = [] }
    return response
  }

  /// With the headers that every answer carries, whatever it is.
  static func guarded(_ response: EdgeResponse) -> EdgeResponse {
    var response = response
    // The flow page says what it allows beyond.
    if !response.headers.contains(where: { $0.name == policyHeader }) {
      response.headers.append((policyHeader, contentPolicy))
    }
    response.headers += [
      ("X-Content-Type-Options", "nosniff"),
      // Not "no-referrer": with that a browser sends `Origin: null` with our own forms.
      ("Referrer-Policy", "same-origin"), ("X-Frame-Options", "DENY"), ("Cross-Origin-Opener-Policy", "same-origin"),
      ("Cross-Origin-Resource-Policy", "same-origin"), ("Cache-Control", "no-store"),
    ]
    return response
  }
  static let policyHeader = "Content-Security-Policy"
  static let contentPolicy =
    "default-src 'none'; style-src 'self'; img-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

  private func route(_ request: EdgeRequest) async -> EdgeResponse {
    // Webhook senders reach us under names we do not know; everybody else must use one of ours.
    if let hook = Self.hook(of: request) { return await self.hook(hook, request) }
    if let answer = await unasked(request) { return answer }
    return request.path.hasPrefix("/api/") ? await api(request) : await console.answer(request)
  }

  /// The answer to a request in which nobody need say who they are; nil for any other.
  func unasked(_ request: EdgeRequest) async -> EdgeResponse? {
    let host = request.headers["host"] ?? ""
    let isOurs = names.contains(host)
    switch request.path {
    // Load balancers and orchestrators ask under any name. Whoever gets a browser to do so learns one word.
    case "/healthz": return .text(200, "ok\n")
    case "/readyz":
      let obstacles = await backend.obstacles()
      let told = isOurs || EdgeNames.isAddress(host) ? obstacles : ["not ready"]
      return .text(obstacles.isEmpty ? 200 : 503, obstacles.isEmpty ? "ready\n" : told.joined(separator: "\n") + "\n")
    // These name tenants: not for a page whose name was made to point here, which an address in its place cannot be.
    case "/metrics" where isOurs || EdgeNames.isAddress(host):
      return .text(200, await backend.metricsText(), type: "text/plain; version=0.0.4; charset=utf-8")
    default: return isOurs ? nil : refused(.unknownHost, to: request, isGuarded: false)
    }
  }

  private func hook(_ hook: String, _ request: EdgeRequest) async -> EdgeResponse {
    let isDelivery = ["POST", "PUT", "PATCH"].contains(request.method)
    let notAllowed = EdgeResponse(405, [("Allow", "POST")])
    guard isDelivery || request.method == "GET" else { return notAllowed }
    let answer = await backend.receive(hook: hook, request)
    switch answer {
    case .answered(let type, let body): return EdgeResponse(200, [("Content-Type", type)], body: body)
    // Whether there is such an address is not told to who only looks.
    case _ where !isDelivery: return notAllowed
    case .accepted: return EdgeResponse(202)
    case .notIdentified: return EdgeResponse(401)
    case .tooLarge: return EdgeResponse(413)
    case .tryLater(let seconds): return EdgeResponse(503, [("Retry-After", "\(seconds)")])
    }
  }

  /// `POST /api/v1/{command}` with the arguments as JSON; `GET` takes them from the query.
  private func api(_ request: EdgeRequest) async -> EdgeResponse {
    guard let user = await apiUser(request) else { return apiUnidentified() }
    guard request.path.hasPrefix("/api/v1/"), request.method == "POST" || request.method == "GET" else {
      return refused(404, EdgeRefusal.unknown)
    }
    var arguments: JSONValue = .object(request.query.mapValues { .string($0) })
    if request.method == "POST" {
      guard request.headers["content-type"]?.hasPrefix("application/json") == true else {
        return refused(400, EdgeRefusal.notJSON)
      }
      do { arguments = try JSONValue(parsing: request.body.isEmpty ? Array("{}".utf8) : request.body) } catch {
        // What is JSON but cannot be kept says why.
        return refused(400, error == .malformed ? EdgeRefusal.notJSON : error)
      }
    }
    do {
      let command = String(request.path.dropFirst("/api/v1/".count))
      guard request.method == "POST" || backend.onlyReads(command) else {
        return refused(405, EdgeRefusal.notByGet)
      }
      return json(200, try await backend.call(command, arguments: arguments, user: user, door: .api))
    } catch let error as any OperatorError {
      return refused(Self.status(error), error)
    } catch {
      return refused(500, EdgeRefusal.failed)
    }
  }

  func apiUser(_ request: EdgeRequest) async -> User? {
    guard let authorization = request.headers["authorization"], authorization.hasPrefix("Bearer ") else { return nil }
    return try? await backend.user(token: String(authorization.dropFirst(7)))
  }

  func apiUnidentified() -> EdgeResponse {
    var refused = self.refused(401, EdgeRefusal.notIdentified)
    refused.headers.append(("WWW-Authenticate", "Bearer"))
    return refused
  }

  func refused(_ status: Int, _ error: any OperatorError) -> EdgeResponse {
    json(status, ["error": ["code": .string(error.code), "message": .string("\(error.message) \(error.remedy)")]])
  }

  static func status(_ error: any OperatorError) -> Int {
    switch error.code {
    case "command.not_allowed", "approval.not_an_approver", "approval.own_request": 403
    case "command.unknown", "host.unknown", "approval.unknown": 404
    case "command.no_arguments", "command.missing_argument", "command.bad_argument", "command.unknown_argument": 400
    case "command.failed": 500
    default: 409
    }
  }

  private func json(_ status: Int, _ value: JSONValue) -> EdgeResponse {
    EdgeResponse(status, [("Content-Type", "application/json")], body: value.canonicalBytes + [0x0A])
  }
}
