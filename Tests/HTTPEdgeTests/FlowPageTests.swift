import Domain
import Foundation
import HTTPEdge
import Testing

@Suite struct `The flow page` {
  let backend = FakeBackend()

  private func page(_ query: [String: String] = [:]) async -> String {
    await backend.edge.answer(Browser.get("/flow", query: query)).text
  }

  /// The cells of each row of the connectors' table.
  private func rows(_ text: String) -> [[String]] {
    let body =
      text.components(separatedBy: "id=\"flow-edges\">").dropFirst().first?
      .components(separatedBy: "</tbody>").first ?? ""
    return body.components(separatedBy: "<tr>").dropFirst().map { row in
      row.components(separatedBy: "</td>").dropLast().map { cell in
        // Markup between two words is a space.
        cell.split(separator: "<").compactMap { $0.split(separator: ">", maxSplits: 1).dropFirst().first }
          .joined(separator: " ").split(separator: " ").joined(separator: " ")
      }
    }
  }

  @Test func `names the bottleneck and its cause in the words of the host, in the colour of how bad it is`() async {
    #expect(
      await page().contains(
        "<p class=\"notice lead warm\"><bdi>The bottleneck is the request budget of billing: billing waited 93 % of the last 8 s for its turn, since the upstream asked for a pause (Retry-After).</bdi></p>"
      ))
    for (kind, percent, tone) in [
      ("parked", 0, "bad"), ("waits", 49, "quiet"), ("waits", 50, "warm"), ("rests", 0, "warm"), ("nothing", 0, "good"),
    ] as [(String, Int64, String)] {
      var top = Samples.top.object!
      top["bottleneck"] = ["kind": .string(kind), "percent": .integer(percent), "sentence": "A sentence."]
      backend.set("top", to: .object(top))
      #expect(await page().contains("<p class=\"notice lead \(tone)\"><bdi>A sentence."), "\(kind) \(percent)")
    }
  }

  @Test
  func
    `shows of each edge its rates, what is in flight, credit, oldest age, waits by cause, drops, retries, dead letters`()
    async throws
  {
    let rows = rows(await page())
    try #require(rows.count == 2)
    #expect(
      rows[0] == [
        "billing crm-source 1.0.0", "waiting the source answered 429", "0.0", "0.0", "0.1", "1 of 4", "–",
        "12 oldest 1 min 15 s",
        "93 % its turn, since the upstream asked for a pause (Retry-After) 5 % an answer", "320 oldest 41.0 s", "5 +4",
        "2 +1", "0",
      ])
    #expect(
      rows[1] == [
        "crm crm-source 1.0.0", "pull deals", "1,250", "50", "0.8", "2 of 4", "40",
        "0", "12 % an answer", "0", "0", "0", "3",
      ])
  }

  @Test func `says of when its figures are, how far applying is, and what was waited for since the host began`() async {
    let text = await page()
    #expect(text.contains("of the last <bdi>8 s</bdi>, as of 09:00:07 UTC"))
    #expect(text.contains("3 entries are durable and not applied yet"))
    #expect(text.contains("<strong>12.3 s</strong> <bdi>the upstream&#39;s answers (upstream_slow)"))
    #expect(text.contains("The host began 2 h 20 min ago.") && text.contains("crm led to https://crm.example.com"))
  }

  @Test func `is sorted by any of its columns, either way, and says so`() async {
    func instances(_ query: [String: String]) async -> [String] {
      rows(await page(query)).compactMap { $0.first?.split(separator: " ").first.map(String.init) }
    }
    #expect(await instances([:]) == ["billing", "crm"])
    for (sort, least) in [
      ("instance", "billing"), ("records", "billing"), ("bytes", "billing"), ("requests", "billing"),
      ("under_way", "billing"), ("dead_letters", "billing"), ("state", "crm"), ("credit", "crm"), ("line", "crm"),
      ("wait", "crm"), ("pushed", "crm"), ("drops", "crm"), ("retries", "crm"),
    ] {
      let most = least == "crm" ? "billing" : "crm"
      #expect(await instances(["sort": sort, "order": "asc"]) == [least, most], "\(sort)")
      #expect(await instances(["sort": sort, "order": "desc"]) == [most, least], "\(sort)")
    }
    // Names begin with A, credit with who has least, all else with who has most.
    for sort in ["instance", "credit"] {
      #expect(await instances(["sort": sort]) == instances(["sort": sort, "order": "asc"]))
    }
    #expect(await instances(["sort": "drops"]) == ["billing", "crm"])
    let north = FakeBackend(tenants: ["demo", "north"])
    let text = await north.edge.answer(Browser.get("/flow", query: ["sort": "records", "tenant": "north"])).text
    #expect(
      text.contains("aria-sort=\"descending\"><a href=\"/flow?tenant=north&amp;sort=records&amp;order=asc\">Records/s"))
    #expect(text.contains("<a href=\"/flow?tenant=north&amp;sort=instance&amp;order=asc\">Instance"))
    #expect(text.split(separator: "aria-sort").count == 2)
  }

  @Test func `begins with who is parked, and shows a command as one, whatever else is in the sentence`() async {
    var top = Samples.top.object!
    top["instances"] = .array([
      ["instance": "a", "waits_for": [["percent": 100]], "dead_letters": 10_000],
      ["instance": "b", "state": "parked: It was refused."],
    ])
    top["bottleneck"] = ["kind": "parked", "sentence": "b is parked until `sluice <b>`: a`b"]
    backend.set("top", to: .object(top))
    let text = await page()
    #expect(rows(text).map(\.first) == ["b", "a"] && rows(text).last?.last == "10,000+")
    #expect(text.contains("<bdi>b is parked until <code>sluice &lt;b&gt;</code>: a<code>b</code></bdi>"))
  }

  @Test func `keeps equals in the order in which they came`() async {
    var top = Samples.top.object!
    top["instances"] = .array(["c", "a", "b"].map { ["instance": .string($0)] })
    backend.set("top", to: .object(top))
    for order in ["asc", "desc"] {
      #expect(rows(await page(["sort": "wait", "order": order])).map(\.first) == ["c", "a", "b"])
    }
  }

  @Test(arguments: [
    ["sort": "nothing"], ["sort": ""], ["sort": "wait", "order": "up"], ["order": "\"><script>"],
    ["sort": "<b>wait"], ["sort": "WAIT"],
  ])
  func `takes no other order, and repeats nothing of it`(query: [String: String]) async {
    let answer = await backend.edge.answer(Browser.get("/flow", query: query))
    #expect(answer.status == 400 && answer.text.contains("console.no_order"))
    #expect(!answer.text.contains("<script") && !answer.text.contains("<b>wait"))
    #expect(answer.header("Content-Security-Policy")?.contains("script") == false)
  }

  @Test func `stands without any connector, and before anything was counted`() async {
    backend.set("top", to: ["instances": [], "bottleneck": ["kind": "nothing", "sentence": "Nothing waits."]])
    #expect(await page().contains("No connector is enabled."))
    backend.set("top", to: ["instances": [["instance": "crm", "state": "idle"]]])
    #expect(rows(await page()).first?.first == "crm")
  }

  @Test func `finds each part that its script puts anew, once and by its name`() async {
    let script = await backend.edge.answer(Browser.get("/flow.js", session: nil)).text
    #expect(script.contains("[data-live]"))
    let text = await page()
    let parts = text.components(separatedBy: "data-live id=\"").dropFirst().map { $0.prefix { $0 != "\"" } }
    #expect(
      parts == ["flow-bottleneck", "flow-time", "flow-edges", "flow-position", "flow-uptime", "flow-totals"])
    for name in script.components(separatedBy: "getElementById(\"").dropFirst().map({ $0.prefix { $0 != "\"" } }) {
      #expect(text.components(separatedBy: "id=\"\(name)\"").count == 2, "\(name)")
    }
    // Who has no JavaScript gets the same order again.
    let sorted = await page(["sort": "credit"])
    #expect(
      sorted.contains("<noscript>") && sorted.contains("<a href=\"/flow?sort=credit&amp;order=asc\">look again</a>"))
  }

  @Test func `alone may run a script, only its own, which asks nobody but the host`() async throws {
    let only = "<script src=\"/flow.js\" defer></script>"
    for path in Samples.pages + ["/nowhere", "/sign-in", "/style.css", "/flow.js"] {
      for session in [FakeBackend.session, nil] {
        let answer = await backend.edge.answer(Browser.get(path, session: session))
        let policy = try #require(answer.header("Content-Security-Policy"))
        let mayRun = path == "/flow" && session != nil
        #expect(answer.headers.filter { $0.name == "Content-Security-Policy" }.count == 1)
        #expect(policy.contains("script-src 'self'; connect-src 'self'") == mayRun, "\(path)")
        #expect(!policy.contains("unsafe") && policy.contains("default-src 'none'"))
        #expect(answer.text.contains(only) == mayRun, "\(path)")
      }
    }
    let script = await backend.edge.answer(Browser.get("/flow.js", session: nil))
    #expect(script.status == 200 && script.header("Content-Type") == "text/javascript; charset=utf-8")
    for never in ["http:", "https:", "eval", "innerHTML =", "insertAdjacentHTML", "document.write", "localStorage"] {
      #expect(!script.text.contains(never), "\(never)")
    }
  }
}
