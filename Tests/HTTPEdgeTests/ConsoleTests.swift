import Domain
import HTTPEdge
import Identity
import Testing

@Suite struct `Signing in` {
  let backend = FakeBackend()

  @Test func `a code opens one session, once, in a cookie that scripts and other sites cannot use`() async throws {
    let request = Browser.get("/sign-in", query: ["code": FakeBackend.code], session: nil)
    let answer = await backend.edge.answer(request)
    #expect(answer.status == 303 && answer.header("Location") == "/" && answer.body.isEmpty)
    let parts = try #require(answer.header("Set-Cookie")).split(separator: "; ").map(String.init)
    #expect(parts.first == "sluice_session=\(FakeBackend.session)")
    #expect(Set(parts.dropFirst()) == ["HttpOnly", "SameSite=Strict", "Path=/"])
    let again = await backend.edge.answer(request)
    #expect(again.status == 401 && again.header("Set-Cookie") == nil && again.text.contains("has been used"))
  }

  @Test func `behind TLS the cookie is never sent in clear, and taken back in the same way`() async throws {
    let edge = backend.edgeBehindTLS
    let answer = await edge.answer(Browser.get("/sign-in", query: ["code": FakeBackend.code], session: nil))
    let parts = try #require(answer.header("Set-Cookie")).split(separator: "; ").map(String.init)
    #expect(Set(parts.dropFirst()) == ["HttpOnly", "SameSite=Strict", "Path=/", "Secure"])
    let token = Directory.formToken(session: FakeBackend.session)
    let gone = await edge.answer(Browser.post("/sign-out", ["form_token": token]))
    #expect(try #require(gone.header("Set-Cookie")).contains("Path=/; Secure; Max-Age=0"))
  }

  @Test func `a link is not spent by looking whether it is there`() async {
    var request = Browser.get("/sign-in", query: ["code": FakeBackend.code], session: nil)
    request.method = "HEAD"
    #expect(await backend.edge.answer(request).status == 401)
    #expect(await backend.redeem(code: FakeBackend.code) != nil)
  }

  @Test(arguments: Samples.pages + ["/nowhere"])
  func `without a session every page says only how to sign in`(path: String) async {
    for session in [nil, "", "wrong"] {
      let answer = await backend.edge.answer(Browser.get(path, session: session))
      #expect(answer.status == 401 && answer.text.contains("sluice user link NAME"))
    }
    #expect(backend.calls.isEmpty)
  }

  @Test func `signing out ends the session and needs the form token`() async {
    let forged = await backend.edge.answer(Browser.post("/sign-out", ["form_token": "guess"]))
    #expect(forged.status == 403)
    #expect(await backend.edge.answer(Browser.get("/")).status == 200)
    let token = Directory.formToken(session: FakeBackend.session)
    let answer = await backend.edge.answer(Browser.post("/sign-out", ["form_token": token]))
    #expect(answer.status == 303 && answer.header("Set-Cookie")?.contains("Max-Age=0") == true)
    #expect(await backend.edge.answer(Browser.get("/")).status == 401)
  }

  @Test func `no page holds a session or a code`() async {
    for path in Samples.pages {
      let text = await backend.edge.answer(Browser.get(path, query: ["code": FakeBackend.code])).text
      #expect(!text.contains(FakeBackend.session) && !text.contains("c0de"))
    }
  }

  @Test func `a page shows one of the user's own tenants, the first unless another is named`() async {
    let backend = FakeBackend(tenants: ["demo", "north"])
    func asked(_ tenant: String?) async -> (Int, JSONValue?) {
      let query = tenant.map { ["tenant": $0] } ?? [:]
      let answer = await backend.edge.answer(Browser.get("/signals", query: query))
      return (answer.status, backend.calls.last?.arguments["tenant"])
    }
    #expect(await asked(nil) == (200, "demo"))
    #expect(await asked("north") == (200, "north"))
    let before = backend.calls.count
    #expect(await asked("other").0 == 403)
    #expect(backend.calls.count == before)
    let page = await backend.edge.answer(Browser.get(Samples.page, query: ["tenant": "north"])).text
    #expect(page.contains("action=\"\(Samples.page)?tenant=north\"") && page.contains("href=\"/flow?tenant=north\""))
  }
}

@Suite struct `Judging a held call` {
  let backend = FakeBackend()

  @Test(arguments: [("approve", "approval.approve"), ("reject", "approval.reject")])
  func `an answer is given to exactly the call that was shown`(answer: String, command: String) async throws {
    let note = "Asked Zoë & her manager:\r\n100 % sure + agreed"
    let response = await backend.edge.answer(
      Browser.post(Samples.page, Browser.judging(answer, changing: ["note": note])))
    #expect(response.status == 303 && response.header("Location") == Samples.page)
    let call = try #require(backend.calls.last)
    #expect(backend.calls.count == 1 && call.command == command && call.user.rawValue == "ann")
    #expect(call.door == .console)
    #expect(
      call.arguments == [
        "tenant": "demo", "id": .string(Samples.id), "call_hash": .string(Samples.callHash),
        "note": "Asked Zoë & her manager:\n100 % sure + agreed",
      ])
  }

  @Test(arguments: [
    ["form_token": nil], ["form_token": ""], ["form_token": "guess"], ["form_token": FakeBackend.session],
  ])
  func `without this session's form token nothing is done`(changing: [String: String?]) async {
    let response = await backend.edge.answer(
      Browser.post(Samples.page, Browser.judging("approve", changing: changing)))
    #expect(response.status == 403 && response.text.contains("console.form_token") && backend.calls.isEmpty)
  }

  @Test(arguments: [
    ["origin": "http://evil.example"], ["origin": "null"], ["origin": "http://127.0.0.1:7071"],
    ["sec-fetch-site": "cross-site"], ["sec-fetch-site": "same-site"], ["sec-fetch-site": "none"],
  ])
  func `a form from another site does nothing, even with the token`(headers: [String: String?]) async {
    let response = await backend.edge.answer(
      Browser.post(Samples.page, Browser.judging("approve"), changing: headers))
    #expect(response.status == 403 && response.text.contains("console.cross_origin") && backend.calls.isEmpty)
  }

  @Test func `a client that does not say where its form comes from is known by the token`() async {
    let response = await backend.edge.answer(
      Browser.post(Samples.page, Browser.judging("approve"), changing: ["origin": nil, "sec-fetch-site": nil]))
    #expect(response.status == 303)
  }

  @Test(arguments: [
    ["id": "another"], ["id": nil], ["call_hash": nil], ["call_hash": ""], ["answer": "both"], ["answer": nil],
  ])
  func `a form that does not say what is answered does nothing`(changing: [String: String?]) async {
    let response = await backend.edge.answer(
      Browser.post(Samples.page, Browser.judging("approve", changing: changing)))
    #expect(response.status == 400 && response.text.contains("console.bad_form") && backend.calls.isEmpty)
  }

  @Test func `a body of another kind does nothing`() async {
    let request = Browser.post(Samples.page, Browser.judging("approve"), changing: ["content-type": "text/plain"])
    #expect(await backend.edge.answer(request).status == 400)
    #expect(backend.calls.isEmpty)
  }

  @Test(arguments: [
    ("approval.expired", 409), ("approval.call_changed", 409), ("command.not_allowed", 403),
    ("approval.not_an_approver", 403), ("approval.unknown", 404),
  ])
  func `a refusal is shown with its code and a way back`(code: String, status: Int) async {
    backend.refuse("approval.approve", code: code)
    let response = await backend.edge.answer(Browser.post(Samples.page, Browser.judging("approve")))
    #expect(response.status == status && response.text.contains("<code>\(code)</code>"))
    #expect(response.text.contains("It was refused. Ask again.") && response.text.contains("href=\"\(Samples.page)\""))
  }

  @Test func `one screen shows all that a person judges by`() async {
    let text = await backend.edge.answer(Browser.get(Samples.page)).text
    for part in [
      "crm.close_lost", "opportunity/1C1I7A6R", "Engaging", "Lost", "139", "$4,826.00", "$0.00", "mode.propose",
      "everything waits for a person", "crm.reopen", "41 of 312, 13.1 %, 95 % interval 9.8–17.3 %",
      "217 still open are not counted", "63.1 % were won",
      "still in talks with Cancity", "2026-07-14 09:00 UTC", Samples.callHash,
      String(repeating: "8b1d", count: 16),
    ] { #expect(text.contains(part), "\(part) is not shown") }
  }

  @Test func `what cannot be taken back says so, and what is not known is not invented`() async {
    var approval = Samples.approval.object!
    approval["undo"] = .null
    approval["confidence"] = .null
    backend.set("approval.show", to: .object(approval))
    let text = await backend.edge.answer(Browser.get(Samples.page)).text
    #expect(text.contains("cannot be taken back") && text.contains("No rate has been measured"))
    backend.set("approval.show", to: [:])
    let bare = await backend.edge.answer(Browser.get(Samples.page))
    #expect(bare.status == 200 && !bare.text.contains("cannot be taken back") && bare.text.contains("–"))
  }

  @Test func `only an approver is offered the forms, and only while it is pending`() async {
    let reader = await FakeBackend(roles: [.auditor]).edge.answer(Browser.get(Samples.page)).text
    #expect(!reader.contains("name=\"call_hash\"") && reader.contains("needs the role"))
    for state in [
      "approved", "rejected", "expired", "withdrawn", "spent", "queued", "started", "probing", "unresolved", "done",
      "failed", "declined",
    ] {
      var approval = Samples.approval.object!
      approval["state"] = .string(state)
      backend.set("approval.show", to: .object(approval))
      let text = await backend.edge.answer(Browser.get(Samples.page)).text
      #expect(!text.contains("name=\"call_hash\"") && text.contains(">\(state)</span>"))
      #expect(!text.contains("Its state is"), "\(state) has no sentence")
    }
  }

  @Test func `the list begins with the most valuable call`() async throws {
    let text = await backend.edge.answer(Browser.get("/approvals")).text
    let places = try ["$26,768.00", "$4,826.00", "$1,096.00", "$550.00"].map { try #require(text.firstRange(of: $0)) }
    #expect(places.map(\.lowerBound) == places.map(\.lowerBound).sorted())
  }
}

@Suite struct `The console's other pages` {
  let backend = FakeBackend()

  @Test func `the overview stands when a command does not answer`() async {
    let answer = await FakeBackend([:]).edge.answer(Browser.get("/"))
    #expect(answer.status == 200 && answer.text.contains("cannot be read just now"))
  }

  @Test func `a page whose command is refused shows the code`() async {
    backend.refuse("signal.list", code: "command.not_allowed")
    let answer = await backend.edge.answer(Browser.get("/signals"))
    #expect(answer.status == 403 && answer.text.contains("command.not_allowed"))
  }

  @Test(arguments: ["/nowhere", "/approvals/a/b", "/%zz", "/decisions/1", "/favicon.ico"])
  func `what is not there is said to be not there`(path: String) async {
    #expect(await backend.edge.answer(Browser.get(path)).status == 404)
  }

  @Test func `a head is answered without a body, another method not at all`() async {
    var request = Browser.get("/approvals")
    request.method = "HEAD"
    let head = await backend.edge.answer(request)
    #expect(head.status == 200 && head.body.isEmpty)
    request.method = "DELETE"
    let refused = await backend.edge.answer(request)
    #expect(refused.status == 405 && refused.header("Allow") == "GET, HEAD, POST")
  }
}
