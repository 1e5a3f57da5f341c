import Domain
import Identity

/// The frame around every page: title, landmarks, navigation, sign-out.
extension Console {
  private static let sections: [(path: String, name: String)] = [
    ("/", "Overview"), ("/approvals", "Approvals"), ("/decisions", "Decisions"), ("/signals", "Signals"),
    ("/actions", "Actions"), ("/flow", "Flow"), ("/ledger", "Ledger"),
  ]

  /// - Parameters:
  ///   - section: The path in the navigation that the page belongs to.
  ///   - isLive: Whether the script puts parts of it anew; its answer must allow that.
  func respond(
    _ status: Int, _ title: String, for visitor: Visitor?, section: String? = nil, isLive: Bool = false,
    _ content: HTML
  ) -> EdgeResponse {
    let script: HTML = isLive ? "\n<script src=\"\(FlowScript.path)\" defer></script>" : .nothing
    let document: HTML = """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(title) · Sluice</title>
      <link rel="stylesheet" href="/style.css">\(script)
      </head>
      <body>
      <a class="skip" href="#main">Skip to the content</a>
      <header>
      <p class="brand">Sluice</p>
      \(visitor.map { navigation($0, section: section) } ?? .nothing)
      </header>
      <main id="main"\(isLive ? " class=\"broad\"" : HTML.nothing)>
      <h1>\(title)</h1>
      \(content)
      </main>
      </body>
      </html>

      """
    return .text(status, document.source, type: "text/html; charset=utf-8")
  }

  private func navigation(_ visitor: Visitor, section: String?) -> HTML {
    let links = Self.sections.map { path, name -> HTML in
      let current: HTML = path == section ? " aria-current=\"page\"" : .nothing
      return "<li><a href=\"\(visitor.link(path))\"\(current)>\(name)</a></li>"
    }
    let others = visitor.user.tenants.filter { $0 != visitor.tenant }.map { tenant -> HTML in
      "<li><a href=\"/?tenant=\(WebForm.encoded(tenant.rawValue))\">Go to \(tenant.rawValue)</a></li>"
    }
    return """
      <nav aria-label="Pages"><ul>\(links)</ul></nav>
      <div class="visitor">
      <p>\(visitor.user.id.rawValue) in <strong>\(visitor.tenant.rawValue)</strong></p>
      \(others.isEmpty ? .nothing : "<ul aria-label=\"Other tenants\">\(others)</ul>" as HTML)
      <form method="post" action="/sign-out" aria-label="Sign out">
      <input type="hidden" name="form_token" value="\(visitor.formToken)">
      <button type="submit" class="plain">Sign out</button>
      </form>
      </div>
      """
  }

  // Parts that pages share.

  /// Text from the outside: escaped, and its writing direction kept to itself.
  func data(_ text: String) -> HTML {
    text == Words.missing ? "<span class=\"missing\">–</span>" : "<bdi>\(text)</bdi>"
  }
  func data(_ value: JSONValue?) -> HTML {
    guard let value, !value.isNull else { return data(Words.missing) }
    return data(Words.brief(Words.exact(value)))
  }

  /// A date, kept on one line.
  func day(_ value: JSONValue?) -> HTML { "<span class=\"day\">\(data(value))</span>" }

  /// - Parameter columns: A name that begins with "#" is of numbers.
  func table(_ caption: String, _ columns: [String], _ rows: [[HTML]]) -> HTML {
    table(caption, heads: columns.map { TableHead($0) }, rows)
  }

  /// - Parameter id: Of its rows, where the script puts them anew.
  func table(_ caption: String, heads: [TableHead], _ rows: [[HTML]], live id: String? = nil) -> HTML {
    let mark: HTML = id.map { " data-live id=\"\($0)\"" } ?? .nothing
    let lines = rows.map { cells -> HTML in
      let cells = zip(cells, heads).map { cell, head -> HTML in
        head.isNumber ? "<td class=\"number\">\(cell)</td>" : "<td>\(cell)</td>"
      }
      return "<tr>\(cells)</tr>\n"
    }
    return """
      <div class="scroll" tabindex="0" role="region" aria-label="\(caption)">
      <table>
      <caption>\(caption)</caption>
      <thead><tr>\(heads.map(\.html))</tr></thead>
      <tbody\(mark)>
      \(lines)</tbody>
      </table>
      </div>
      """
  }

  func section(_ name: String, _ content: HTML, id: String? = nil) -> HTML {
    let anchor: HTML = id.map { " id=\"\($0)\"" } ?? .nothing
    return "<section\(anchor)>\n<h2>\(name)</h2>\n\(content)\n</section>\n"
  }

  /// A state as a word in a frame; the colour only repeats the word.
  func badge(_ word: String) -> HTML {
    let tone: String =
      switch word {
      case "pending", "hold", "awaiting", "queued", "started", "probing", "waiting": "warm"
      case "approved", "allow", "done", "running", "spent", "ready": "good"
      case "rejected", "deny", "failed", "expired", "unresolved", "declined", "parked": "bad"
      default: "quiet"
      }
    return word == Words.missing ? data(word) : "<span class=\"badge \(tone)\">\(Words.spaced(word))</span>"
  }
  func badge(_ value: JSONValue?) -> HTML { badge(value?.string ?? Words.missing) }
}

/// The head of a table's column.
struct TableHead: Sendable {
  let content: HTML
  let isNumber: Bool
  /// `ascending` or `descending`; nil when the rows are in another order.
  let sorted: String?

  init(content: HTML, isNumber: Bool, sorted: String? = nil) {
    self.content = content
    self.isNumber = isNumber
    self.sorted = sorted
  }

  /// - Parameter name: One that begins with "#" is of numbers.
  init(_ name: String) {
    self.init(content: HTML(text: name.hasPrefix("#") ? String(name.dropFirst()) : name), isNumber: name.hasPrefix("#"))
  }

  var html: HTML {
    let kind: HTML = isNumber ? " class=\"number\"" : .nothing
    let order: HTML = sorted.map { " aria-sort=\"\($0)\"" } ?? .nothing
    return "<th scope=\"col\"\(kind)\(order)>\(content)</th>"
  }
}
