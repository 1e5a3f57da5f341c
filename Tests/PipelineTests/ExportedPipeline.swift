import CanonicalJSON
import Domain
import Foundation
import MemoryStorage
import TestKit

/// A folder of CRM exports, served day by day as the CRM would (sandbox/world/README.md).
struct ExportedPipeline {
  struct Version {
    let stream: String
    let day: BusinessDay
    let record: IntakeRecord
  }
  let versions: [Version]
  let first: BusinessDay
  let last: BusinessDay

  init(folder: URL) throws {
    let deals = try Self.rows(folder, "sales_pipeline.csv")
    let days = deals.flatMap { [Self.day($0["engage_date"]), Self.day($0["close_date"])] }.compactMap(\.self)
    let first = deals.compactMap { Self.day($0["engage_date"]) }.min()!
    (self.first, last) = (first, days.max()!)
    var versions: [Version] = []
    func add(_ stream: String, _ key: String, _ version: Int, _ day: BusinessDay, _ fields: [String: JSONValue]) {
      let all = fields.merging([
        "id": .string(key), "version": .integer(Int64(version)), "updated_at": .string(day.description),
      ]) { $1 }
      versions.append(
        Version(stream: stream, day: day, record: IntakeRecord(key: key, version: version, all)))
    }
    for row in try Self.rows(folder, "accounts.csv") where row["account"] != nil {
      add(
        "accounts", Self.slug(row["account"]!), 1, first,
        [
          "name": Self.text(row["account"]), "sector": Self.text(row["sector"]),
          "year_established": Self.number(row["year_established"]), "revenue": Self.number(row["revenue"]),
          "employees": Self.number(row["employees"]), "office_location": Self.text(row["office_location"]),
          "subsidiary_of": Self.text(row["subsidiary_of"]),
        ])
    }
    for row in try Self.rows(folder, "products.csv") {
      add(
        "products", Self.slug(row["product"]!), 1, first,
        [
          "name": Self.text(row["product"]), "series": Self.text(row["series"]),
          "sales_price": Self.number(row["sales_price"]),
        ])
    }
    for row in try Self.rows(folder, "sales_teams.csv") {
      add(
        "reps", Self.slug(row["sales_agent"]!), 1, first,
        [
          "name": Self.text(row["sales_agent"]), "manager": Self.text(row["manager"]),
          "regional_office": Self.text(row["regional_office"]),
        ])
    }
    for row in deals {
      let engaged = Self.day(row["engage_date"])
      var fields: [String: JSONValue] = [
        "owner": Self.text(row["sales_agent"]), "product": Self.text(row["product"]),
        "account": Self.text(row["account"]), "stage": engaged == nil ? "Prospecting" : "Engaging",
        "engage_date": Self.text(row["engage_date"]), "close_date": nil, "close_value": nil,
        "expected_close_date": nil,
      ]
      let key = row["opportunity_id"]!
      add("opportunities", key, 1, engaged ?? first, fields)
      guard let closed = Self.day(row["close_date"]) else { continue }
      fields["stage"] = Self.text(row["deal_stage"])
      fields["close_date"] = Self.text(row["close_date"])
      fields["close_value"] = Self.number(row["close_value"])
      add("opportunities", key, 2, closed, fields)
    }
    self.versions = versions
  }

  private static func rows(_ folder: URL, _ file: String) throws -> [[String: String]] {
    let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
    var lines = text.split(whereSeparator: \.isNewline).map { cells(String($0)) }
    let header = lines.removeFirst()
    return lines.map { line in
      Dictionary(uniqueKeysWithValues: zip(header, line).filter { !$0.1.isEmpty })
    }
  }
  private static func cells(_ line: String) -> [String] {
    guard line.contains("\"") else {
      return line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    var cells = [""]
    var isQuoted = false
    for character in line {
      switch character {
      case "\"": isQuoted.toggle()
      case "," where !isQuoted: cells.append("")
      default: cells[cells.count - 1].append(character)
      }
    }
    return cells
  }
  private static func day(_ text: String?) -> BusinessDay? {
    guard let parts = text?.split(separator: "/").compactMap({ Int($0) }), parts.count == 3 else { return nil }
    return BusinessDay(year: parts[2], month: parts[0], day: parts[1])
  }
  private static func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
  private static func number(_ text: String?) -> JSONValue {
    guard let text else { return .null }
    return Int64(text).map { .integer($0) } ?? .double(Double(text)!)
  }
  private static func slug(_ name: String) -> String {
    name.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }.joined(separator: "-")
  }
}
