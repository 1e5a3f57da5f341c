import CanonicalJSON
import Domain
import HTTPEdge
import Testing

@Suite struct `The edge` {
  let backend = FakeBackend()

  @Test(arguments: ["/", "/api/v1/top", "/metrics", "/style.css", "/sign-in"])
  func `a host that is not ours is refused before anything else`(path: String) async {
    for host in ["evil.example", "evil.example:7070", "", nil] {
      var request = Browser.get(path, query: ["code": FakeBackend.code])
      request.headers["host"] = host
      #expect(await backend.edge.answer(request).status == 421)
    }
    #expect(backend.calls.isEmpty)
    #expect(await backend.redeem(code: FakeBackend.code) != nil)
  }

  @Test(
    arguments: Samples.pages + ["/style.css", "/nowhere", "/healthz", "/metrics", "/api/v1/top", "/hooks/x", "/%zz"])
  func `every answer carries the headers that keep browsers in check`(path: String) async throws {
    for session in [FakeBackend.session, nil] {
      let answer = await backend.edge.answer(Browser.get(path, session: session))
      let policy = try #require(answer.header("Content-Security-Policy"))
      for part in [
        "default-src 'none'", "style-src 'self'", "form-action 'self'", "img-src 'none'", "frame-ancestors 'none'",
      ] { #expect(policy.contains(part)) }
      #expect(answer.header("X-Content-Type-Options") == "nosniff")
      #expect(answer.header("Cache-Control") == "no-store")
      #expect(answer.header("X-Frame-Options") == "DENY")
      // With "no-referrer" a browser would send our own forms with the origin "null".
      #expect(answer.header("Referrer-Policy") == "same-origin")
    }
  }

  @Test(arguments: [(HookAnswer.accepted, 202), (.notIdentified, 401), (.tooLarge, 413), (.tryLater(seconds: 60), 503)])
  func `a sender of webhooks learns only whether to come back`(hook: HookAnswer, status: Int) async {
    let edge = FakeBackend(hook: hook).edge
    // Senders reach us under any name.
    let answer = await edge.answer(EdgeRequest("POST", "/hooks/crm", headers: ["host": "any.example"], body: [1]))
    #expect(answer.status == status && answer.body.isEmpty)
    #expect(answer.header("Retry-After") == (status == 503 ? "60" : nil))
    let got = await edge.answer(EdgeRequest("GET", "/hooks/crm"))
    #expect(got.status == 405 && got.header("Allow") == "POST")
  }

  @Test func `who asks whether an address is ours gets the backend's answer, as the type that it names`() async {
    let edge = FakeBackend(hook: .answered(type: "text/plain", body: Array("token".utf8))).edge
    for method in ["GET", "POST"] {
      let answer = await edge.answer(EdgeRequest(method, "/hooks/crm"))
      #expect(answer.status == 200 && answer.text == "token" && answer.header("Content-Type") == "text/plain")
      #expect(answer.header("X-Content-Type-Options") == "nosniff")
    }
    #expect(await edge.answer(EdgeRequest("DELETE", "/hooks/crm")).status == 405)
  }

  @Test func `every delivery that is not identified gets the same answer`() async {
    let edge = FakeBackend(hook: .notIdentified).edge
    var seen: Set<String> = []
    for path in ["/hooks/unknown", "/hooks/crm", "/hooks/", "/hooks/../x"] {
      let answer = await edge.answer(EdgeRequest("POST", path, headers: ["webhook-signature": "v1,wrong"], body: [7]))
      seen.insert("\(answer.status) \(answer.headers) \(answer.text)")
    }
    #expect(seen.count == 1)
  }

  @Test func `health, readiness and metrics need no user`() async {
    #expect(await backend.edge.answer(Browser.get("/healthz", session: nil)).text == "ok\n")
    #expect(await backend.edge.answer(Browser.get("/readyz", session: nil)).status == 200)
    #expect(await backend.edge.answer(Browser.get("/metrics", session: nil)).text == "sluice_up 1\n")
    let stuck = await FakeBackend(obstacles: ["demo: the disk is full"]).edge.answer(Browser.get("/readyz"))
    #expect(stuck.status == 503 && stuck.text == "demo: the disk is full\n")
  }
}

@Suite struct `The API` {
  let backend = FakeBackend()

  func ask(_ method: String, _ path: String, _ headers: [String: String], _ body: String = "") async -> EdgeResponse {
    var all = ["host": Browser.host, "authorization": "Bearer \(FakeBackend.token)"]
    all.merge(headers) { $1 }
    return await backend.edge.answer(
      EdgeRequest(method, path, query: ["limit": "3"], headers: all, body: Array(body.utf8)))
  }

  @Test(arguments: ["", "Bearer", "Bearer wrong", "Basic abc", "bearer \(FakeBackend.session)"])
  func `without a token nobody is answered, session or not`(authorization: String) async {
    let answer = await ask(
      "GET", "/api/v1/top", ["authorization": authorization, "cookie": "sluice_session=\(FakeBackend.session)"])
    #expect(answer.status == 401 && answer.header("WWW-Authenticate") == "Bearer")
    #expect(backend.calls.isEmpty)
  }

  @Test func `a GET takes its arguments from the query, a POST from its JSON`() async throws {
    #expect(await ask("GET", "/api/v1/signal.list", [:]).status == 200)
    #expect(backend.calls.last?.arguments == ["limit": "3"])
    let posted = await ask("POST", "/api/v1/top", ["content-type": "application/json"], "{\"tenant\":\"demo\"}")
    #expect(posted.status == 200 && posted.header("Content-Type") == "application/json")
    #expect(backend.calls.last?.arguments == ["tenant": "demo"] && backend.calls.last?.user.rawValue == "ann")
    #expect(try JSONValue(parsing: posted.body) == Samples.top && backend.calls.last?.door == .api)
  }

  @Test func `a GET changes nothing: what may change something is to be posted`() async {
    let answer = await ask("GET", "/api/v1/kill", [:])
    #expect(answer.status == 405 && answer.text.contains("api.not_by_get") && backend.calls.isEmpty)
  }

  @Test(arguments: [("application/json", "{"), ("application/x-www-form-urlencoded", "{}"), ("", "{}")])
  func `a body that is not JSON, or does not say so, is refused`(type: String, body: String) async {
    let answer = await ask("POST", "/api/v1/top", ["content-type": type], body)
    #expect(answer.status == 400 && answer.text.contains("api.not_json") && backend.calls.isEmpty)
  }

  @Test(arguments: [("command.not_allowed", 403), ("command.unknown", 404), ("approval.expired", 409)])
  func `a refusal keeps its code and has a fitting status`(code: String, status: Int) async {
    backend.refuse("top", code: code)
    let answer = await ask("GET", "/api/v1/top", [:])
    #expect(answer.status == status && answer.text.contains("\"code\":\"\(code)\""))
  }
}
