import Domain
import Foundation
import HTTPEdge
import Testing

@Suite struct `Every page` {
  static let hostile: [String] = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='alert(1)", "{{secret}} {{{x}}}",
    "</title></textarea></pre><b>", "a\nb\r\nc\u{0}", "invoice\u{202E}fdp.exe\u{200F}\u{2066}", "&lt;b&gt; & co",
    String(repeating: "x<", count: 5_120),
  ]

  @Test(arguments: hostile)
  func `what comes from outside is text and nothing else`(text: String) async {
    let poisoned = Samples.answers.mapValues { poison($0, with: text) }
    let backend = FakeBackend(poisoned)
    for path in Samples.pages {
      let answer = await backend.edge.answer(Browser.get(path))
      let html = answer.text.replacingOccurrences(of: flowScript, with: "")
      #expect(answer.status == 200)
      #expect(!html.contains("<script") && !html.contains("<img") && !html.contains("<b>"))
      #expect(!html.contains("' onmouseover") && !html.contains("x<x"))
      #expect(
        !html.unicodeScalars.contains { $0 != "\n" && [.control, .format].contains($0.properties.generalCategory) })
      #expect(flaws(of: html) == [], "on \(path)")
    }
  }

  @Test func `an approver sees a long value whole, and characters that hide`() async {
    let long = String(repeating: "word ", count: 2_000) + "\u{202E}end"
    var approval = Samples.approval.object!
    approval["change"] = [["field": "text", "from": nil, "to": .string(long)]]
    let backend = FakeBackend(["approval.show": .object(approval)])
    let html = await backend.edge.answer(Browser.get(Samples.page)).text
    #expect(html.contains(String(repeating: "word ", count: 2_000) + "[U+202E]end"))
  }

  @Test(arguments: Samples.pages + ["/nowhere", "/sign-in"])
  func `has a title, one heading, landmarks, labels and headed tables`(path: String) async {
    for session in [FakeBackend.session, nil] {
      let html = await FakeBackend().edge.answer(Browser.get(path, session: session)).text
      #expect(flaws(of: html) == [], "on \(path)")
    }
  }

  @Test func `the stylesheet is served to everybody, and loads nothing`() async {
    let answer = await FakeBackend().edge.answer(Browser.get("/style.css", session: nil))
    #expect(answer.status == 200 && answer.header("Content-Type") == "text/css; charset=utf-8")
    #expect(!answer.text.contains("url(") && !answer.text.contains("@import"))
  }

  /// `SLUICE_CONSOLE_HTML=DIR` keeps the pages, to be looked at.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["SLUICE_CONSOLE_HTML"] != nil))
  func `can be looked at`() async throws {
    let folder = URL(fileURLWithPath: ProcessInfo.processInfo.environment["SLUICE_CONSOLE_HTML"]!)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let backend = FakeBackend(tenants: ["demo", "north"])
    try await keep("style.css", Browser.get("/style.css"))
    try await keep("flow.js", Browser.get("/flow.js"))
    try await keep("sign-in.html", Browser.get("/", session: nil))
    for path in Samples.pages {
      let name = path == "/" ? "overview" : path == Samples.page ? "approval" : String(path.dropFirst())
      try await keep("\(name).html", Browser.get(path))
    }
    backend.refuse("approval.approve", code: "approval.expired")
    try await keep("refused.html", Browser.post(Samples.page, Browser.judging("approve")))

    func keep(_ name: String, _ request: EdgeRequest) async throws {
      let html = await backend.edge.answer(request).text
      let linked = html.replacingOccurrences(of: "href=\"/style.css\"", with: "href=\"style.css\"")
        .replacingOccurrences(of: "src=\"/flow.js\"", with: "src=\"flow.js\"")
      try linked.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }
  }

  /// Every text in it replaced, except what the pages are found by.
  private func poison(_ value: JSONValue, with text: String) -> JSONValue {
    switch value {
    case .string: .string(text)
    case .array(let items): .array(items.map { poison($0, with: text) })
    case .object(let members):
      .object(
        Dictionary(
          members.map { name, value in (name, name == "state" ? value : poison(value, with: text)) }
            + [(text, .string(text))], uniquingKeysWith: { $1 }))
    default: value
    }
  }
}

/// The only script of the console: see the flow page's tests for where it stands.
let flowScript = "<script src=\"/flow.js\" defer></script>"

/// What a reader with a screen reader or a keyboard would miss; a simple look at the structure.
func flaws(of html: String) -> [String] {
  var flaws: [String] = []
  func count(_ pattern: String) -> Int { html.components(separatedBy: pattern).count - 1 }
  for once in ["<!DOCTYPE html>", "<html lang=\"en\">", "<h1>", "<main ", "<header>", "<meta name=\"viewport\""]
  where count(once) != 1 { flaws.append("\(once) is there \(count(once)) times") }
  let title = html.components(separatedBy: "<title>").dropFirst().first?.components(separatedBy: "</title>").first
  if title?.isEmpty != false { flaws.append("no title") }
  for tag in ["section", "table", "form", "ul", "dl", "div", "p", "tr", "td", "th", "code", "pre", "bdi", "span", "a"] {
    let (open, closed) = (count("<\(tag)>") + count("<\(tag) "), count("</\(tag)>"))
    if open != closed { flaws.append("\(open) <\(tag)> and \(closed) </\(tag)>") }
  }
  for form in html.components(separatedBy: "<form ").dropFirst() {
    let form = form.components(separatedBy: "</form>")[0]
    if !form.contains("aria-label=\"") { flaws.append("a form without a name") }
    if !form.contains("name=\"form_token\"") || !form.contains("method=\"post\"") { flaws.append("a form to forge") }
    for area in form.components(separatedBy: "<textarea id=\"").dropFirst() {
      let id = area.components(separatedBy: "\"")[0]
      if !form.contains("<label for=\"\(id)\">") { flaws.append("\(id) has no label") }
    }
  }
  for table in html.components(separatedBy: "<table>").dropFirst()
  where !table.contains("<caption>") || !table.contains("<th scope=\"col\"") { flaws.append("a table without headers") }
  for never in ["<script", "<style", " style=\"", " onclick", "javascript:", "http://", "<img"]
  where html.replacingOccurrences(of: flowScript, with: "").contains(never) { flaws.append("\(never) is there") }
  return flaws
}
