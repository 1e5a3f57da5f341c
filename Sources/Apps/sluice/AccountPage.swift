import CanonicalJSON
import Domain

/// What is believed of an account, as people read it.
struct AccountPage {
  private let answer: JSONValue

  init(_ answer: JSONValue) { self.answer = answer.harmless }

  var text: String { ([head] + [about] + deals + notices).filter { !$0.isEmpty }.joined(separator: "\n") }

  private var head: String {
    let account = answer["account"]
    let name = account?["fields"]?["name"]?.string ?? account?["id"]?.string ?? "?"
    var line = "\(name) (\(account?["id"]?.string ?? "?"), found by \(answer["matchedBy"]?.string ?? "?"))\n"
    if let day = answer["asOf"]?["day"]?.string { line += "As it was on \(day).\n" }
    if let position = answer["asOf"]?["position"], !position.isNull {
      line += "As far as it was known at entry \(position.canonicalText) of the journal.\n"
    }
    return line
  }

  private var about: String {
    var lines: [(String, String)] = []
    if let parent = answer["parent"], !parent.isNull { lines.append(("part of", parent["text"]?.string ?? "?")) }
    let parts = names(answer["subsidiaries"])
    if !parts.isEmpty { lines.append(("subsidiaries", parts)) }
    for (name, value) in (answer["account"]?["fields"]?.object ?? [:]).sorted(by: { $0.key < $1.key })
    where name != "name" && name != "parent" {
      lines.append((name.split(separator: "_").joined(separator: " "), value.string ?? value.canonicalText))
    }
    let owners = names(answer["owners"])
    if !owners.isEmpty { lines.append(("owners", owners)) }
    let width = lines.map(\.0.count).max() ?? 0
    return lines.map { "  \($0.padded(width))  \($1)\n" }.joined()
  }

  private func names(_ links: JSONValue?) -> String {
    (links?.array ?? []).compactMap { $0["name"]?.string }.joined(separator: ", ")
  }

  private var deals: [String] {
    [
      ("Open deals", "openDeals", "list price", "openListCents"), ("Won deals", "wonDeals", "worth", "wonCents"),
      ("Lost deals", "lostDeals", "", ""),
    ].map { title, key, worth, cents in
      let deals = answer[key]?.array ?? []
      let amount = answer[cents]?.integer.map { ", \(worth) \(Self.money($0))" } ?? ""
      let rows = deals.map { deal in
        [
          deal["id"]?.string, deal["product"]?.string, deal["owner"]?["name"]?.string,
          deal["closedOn"]?.string.map { "closed \($0)" } ?? deal["engagedOn"]?.string.map { "since \($0)" },
          (deal["valueCents"]?.integer ?? deal["listCents"]?.integer).map(Self.money),
        ].map { $0 ?? "-" }
      }
      return "\(title): \(deals.count)\(deals.isEmpty ? "" : amount)\n" + Self.table(rows)
    }
  }

  private var notices: [String] {
    [("Risks", "risks"), ("Events", "events")].map { title, key in
      let rows = (answer[key]?.array ?? []).map { notice in
        [
          notice["day"]?.string ?? "-", notice["kind"]?.string ?? "-",
          [notice["subject"]?["type"]?.string, notice["subject"]?["id"]?.string].compactMap(\.self).joined(
            separator: " "),
        ]
      }
      return rows.isEmpty ? "" : "\(title): \(rows.count)\n" + Self.table(rows)
    }
  }

  private static func table(_ rows: [[String]]) -> String {
    guard let first = rows.first else { return "" }
    let widths = first.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { "  " + zip($0, widths).map { $0.padded($1) }.joined(separator: "  ") + "\n" }.joined()
  }

  private static func money(_ cents: Int64) -> String {
    let (whole, rest) = cents.magnitude.quotientAndRemainder(dividingBy: 100)
    return "\(cents < 0 ? "-" : "")\(whole).\(rest < 10 ? "0" : "")\(rest)"
  }
}
