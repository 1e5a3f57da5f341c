import Domain
import Identity

/// Who looks at a page, and whose data it shows.
struct Visitor: Sendable {
  let user: User
  let tenant: TenantID
  /// What every form of this visitor's session carries.
  let formToken: String

  /// The address of a page, staying with the tenant.
  func link(_ path: String, _ query: [(String, String)] = []) -> String {
    let tenants = user.tenants.first == tenant ? [] : [("tenant", tenant.rawValue)]
    let text = (tenants + query).map { "\($0)=\(WebForm.encoded($1))" }.joined(separator: "&")
    return text.isEmpty ? path : "\(path)?\(text)"
  }
}

/// Why the console refuses. Everything else that a page refuses comes from the command behind it.
enum ConsoleError: OperatorError, Equatable {
  case noTenant(String)
  case crossOrigin
  case badForm
  case formToken
  case noPage
  case noOrder
  case method

  var code: String {
    switch self {
    case .noTenant: "console.no_tenant"
    case .crossOrigin: "console.cross_origin"
    case .badForm: "console.bad_form"
    case .formToken: "console.form_token"
    case .noPage: "console.no_page"
    case .noOrder: "console.no_order"
    case .method: "console.method"
    }
  }
  var message: String {
    switch self {
    case .noTenant(let name): name.isEmpty ? "You belong to no tenant." : "You do not belong to the tenant \(name)."
    case .crossOrigin: "The form was sent from another site. Nothing was done."
    case .badForm: "The form is not complete. Nothing was done."
    case .formToken: "The form does not belong to this session. Nothing was done."
    case .noPage: "There is no such page."
    case .noOrder: "The page cannot be sorted in that way."
    case .method: "This page does not take such a request."
    }
  }
  var remedy: String {
    switch self {
    case .noTenant: "Ask an operator to add you to it."
    case .crossOrigin: "Open the page here and send the form from it."
    case .badForm, .formToken: "Open the page again and send the form from there."
    case .noOrder:
      "Choose a column's head, or give `sort` as \(FlowOrder.Column.allCases.map(\.rawValue).joined(separator: ", ")) and `order` as asc or desc."
    case .noPage, .method: "Start from the overview."
    }
  }
  var status: Int {
    switch self {
    case .noTenant, .crossOrigin, .formToken: 403
    case .badForm, .noOrder: 400
    case .noPage: 404
    case .method: 405
    }
  }
}

/// The pages for people. Server-rendered, and without JavaScript but for the flow page, which does without it too; all
/// data comes through the backend's commands.
struct Console: Sendable {
  static let cookieName = "sluice_session"
  let backend: any EdgeBackend
  let isBehindTLS: Bool
  let names: EdgeNames

  /// Not for scripts, not from other sites, and never in clear where there is TLS (RFC 6265, 4.1.2.5).
  private var cookieFlags: String { "HttpOnly; SameSite=Strict; Path=/" + (isBehindTLS ? "; Secure" : "") }

  func answer(_ request: EdgeRequest) async -> EdgeResponse {
    let reads = request.method == "GET" || request.method == "HEAD"
    switch request.path {
    case "/style.css" where reads: return .text(200, Stylesheet.text, type: "text/css; charset=utf-8")
    case FlowScript.path where reads: return .text(200, FlowScript.text, type: "text/javascript; charset=utf-8")
    case "/sign-in" where request.method == "GET": return await signIn(request)
    case "/sign-out" where request.method == "POST": return await signOut(request)
    default: break
    }
    guard let session = WebForm.cookie(Self.cookieName, of: request),
      let user = try? await backend.user(session: session)
    else { return signInNeeded(why: nil) }
    let asked = request.query["tenant"]
    guard let tenant = asked == nil ? user.tenants.first : user.tenants.first(where: { $0.rawValue == asked }) else {
      return refusal(ConsoleError.noTenant(asked ?? ""), for: nil)
    }
    let visitor = Visitor(user: user, tenant: tenant, formToken: Directory.formToken(session: session))
    do {
      if reads { return try await page(request, visitor) }
      guard request.method == "POST" else { throw ConsoleError.method }
      return try await posted(request, visitor)
    } catch {
      return refusal(error, for: visitor)
    }
  }

  func isSignedIn(_ request: EdgeRequest) async -> Bool {
    guard let session = WebForm.cookie(Self.cookieName, of: request) else { return false }
    return (try? await backend.user(session: session)) != nil
  }

  private func page(_ request: EdgeRequest, _ visitor: Visitor) async throws -> EdgeResponse {
    let segments = try segments(of: request.path)
    switch (segments.first, segments.count) {
    case (nil, _): return try await overview(visitor)
    case ("approvals", 1): return try await approvals(visitor)
    case ("approvals", 2): return try await approval(segments[1], visitor)
    case ("decisions", 1): return try await decisions(visitor)
    case ("signals", 1): return try await signals(visitor)
    case ("actions", 1): return try await actions(visitor)
    case ("flow", 1): return try await flow(request, visitor)
    case ("ledger", 1): return try await ledger(visitor)
    default: throw ConsoleError.noPage
    }
  }

  private func posted(_ request: EdgeRequest, _ visitor: Visitor) async throws -> EdgeResponse {
    let segments = try segments(of: request.path)
    guard segments.count == 2, segments[0] == "approvals" else { throw ConsoleError.method }
    return try await judge(segments[1], try fields(of: request, token: visitor.formToken), visitor)
  }

  private func segments(of path: String) throws -> [String] {
    try path.split(separator: "/").map { segment in
      guard let text = WebForm.decoded(segment) else { throw ConsoleError.noPage }
      return text
    }
  }

  /// The fields of a form that this session's page sent.
  private func fields(of request: EdgeRequest, token: String) throws -> [String: String] {
    // A browser says where a form comes from; what it does not say, the token still proves.
    let host = request.headers["host"] ?? ""
    if let origin = request.headers["origin"], origin != "http://\(host)", origin != "https://\(host)",
      // What stands before the host may ask it under another name than the browser did.
      !names.isOrigin(origin)
    {
      throw ConsoleError.crossOrigin
    }
    if let site = request.headers["sec-fetch-site"], site != "same-origin" { throw ConsoleError.crossOrigin }
    guard let fields = WebForm.fields(of: request) else { throw ConsoleError.badForm }
    guard WebForm.isEqual(fields["form_token"] ?? "", token) else { throw ConsoleError.formToken }
    return fields
  }

  func call(_ command: String, _ visitor: Visitor, _ arguments: [String: JSONValue] = [:]) async throws -> JSONValue {
    var all = arguments
    all["tenant"] = .string(visitor.tenant.rawValue)
    return try await backend.call(command, arguments: .object(all), user: visitor.user, door: .console)
  }

  // Signing in and out.

  private func signIn(_ request: EdgeRequest) async -> EdgeResponse {
    guard let code = request.query["code"] else { return signInNeeded(why: nil) }
    guard let session = await backend.redeem(code: code) else {
      return signInNeeded(why: "This link has been used, or is older than five minutes.")
    }
    let cookie = "\(Self.cookieName)=\(session); \(cookieFlags)"
    return EdgeResponse(303, [("Location", "/"), ("Set-Cookie", cookie)])
  }

  private func signOut(_ request: EdgeRequest) async -> EdgeResponse {
    if let session = WebForm.cookie(Self.cookieName, of: request), await isSignedIn(request) {
      do { _ = try fields(of: request, token: Directory.formToken(session: session)) } catch {
        return refusal(error, for: nil)
      }
      await backend.end(session: session)
    }
    let gone = "\(Self.cookieName)=; \(cookieFlags); Max-Age=0"
    return EdgeResponse(303, [("Location", "/"), ("Set-Cookie", gone)])
  }

  private func signInNeeded(why: String?) -> EdgeResponse {
    respond(
      401, "Sign in", for: nil,
      """
      \(why.map { "<p class=\"notice bad\" role=\"alert\">\($0)</p>" as HTML } ?? .nothing)
      <p>This console has no passwords. On the machine that runs Sluice, ask for a link and open it in this browser:</p>
      <pre class="code">sluice user link NAME</pre>
      <p>NAME is your user name, as <code>sluice user list</code> shows it. The link works once, within five minutes. \
      Restarting the host signs everybody out.</p>
      """)
  }

  // Refusals.

  func refusal(_ error: any Error, for visitor: Visitor?, back: (path: String, name: String)? = nil) -> EdgeResponse {
    let known = error as? any OperatorError
    let status = (error as? ConsoleError)?.status ?? known.map { Edge.status($0) } ?? 500
    let back = back ?? ("/", "the overview")
    let title = status == 404 ? "Not found" : status >= 500 ? "Failed" : "Refused"
    var response = respond(
      status, title, for: visitor,
      """
      <p class="notice bad" role="alert">\(known?.message ?? "The command failed.") \
      \(known?.remedy ?? "Look at the host's log.")</p>
      <p>Code: <code>\(known?.code ?? "console.failed")</code></p>
      <p><a href="\(visitor?.link(back.path) ?? back.path)">Back to \(back.name)</a></p>
      """)
    if status == 405 { response.headers.append(("Allow", "GET, HEAD, POST")) }
    return response
  }
}
