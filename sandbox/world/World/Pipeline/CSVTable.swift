internal import Foundation
internal import SwiftCSV

/// A CSV file with a header. Whoever reads a cell can say where it stands.
struct CSVTable {
  struct Row {
    let table: String
    let line: Int
    let cells: [String: String]

    /// - Returns: `nil` when the cell is empty.
    func text(_ column: String) -> String? {
      let cell = cells[column] ?? ""
      return cell.isEmpty ? nil : cell
    }

    func required(_ column: String) throws -> String {
      guard let text = text(column) else { throw wrong(column, "must not be empty") }
      return text
    }

    func numeric(_ column: String) throws -> JSONValue {
      guard let text = text(column) else { return .null }
      if let number = Int(text) { return .integer(number) }
      guard let number = Double(text), number.isFinite else { throw wrong(column, "'\(text)' is not a number") }
      return .number(number)
    }

    func day(_ column: String) throws -> BusinessDay? {
      guard let text = text(column) else { return nil }
      guard let day = BusinessDay(slashed: text) else { throw wrong(column, "'\(text)' is not a date (m/d/Y)") }
      return day
    }

    func wrong(_ column: String, _ why: String) -> SetupError {
      SetupError("\(table) line \(line), column \(column): \(why)")
    }
  }

  let rows: [Row]

  /// - Throws: `SetupError` naming file, line and column.
  init(file: URL, columns: [String]) throws {
    let name = file.lastPathComponent
    guard var bytes = FileManager.default.contents(atPath: file.path) else {
      throw SetupError("\(name): no such file in the data folder, or it cannot be read")
    }
    // Spreadsheets put a byte order mark before the header.
    if bytes.starts(with: [0xef, 0xbb, 0xbf]) { bytes = bytes.dropFirst(3) }
    guard let text = String(data: bytes, encoding: .utf8) else { throw SetupError("\(name): not UTF-8 text") }
    try self.init(name: name, text: text, columns: columns)
  }

  init(name: String, text: String, columns: [String]) throws {
    var lines = try Self.lines(name: name, text: text)
    guard !lines.isEmpty else { throw SetupError("\(name) line 1: the header is missing") }
    let header = lines.removeFirst().cells
    for column in columns where !header.contains(column) {
      throw SetupError("\(name) line 1: column \(column) is missing")
    }
    rows = try lines.compactMap { line in
      if line.cells.allSatisfy(\.isEmpty) { return nil }
      guard line.cells.count == header.count else {
        let hint = line.cells.contains { $0.contains(where: \.isNewline) } ? "; is a quote not closed?" : ""
        throw SetupError(
          "\(name) line \(line.number): \(line.cells.count) columns where \(header.count) are expected\(hint)")
      }
      let cells = Dictionary(zip(header, line.cells), uniquingKeysWith: { first, _ in first })
      return Row(table: name, line: line.number, cells: cells)
    }
  }

  private static func lines(name: String, text: String) throws -> [(number: Int, cells: [String])] {
    var lines: [[String]] = []
    do {
      // Without the last line break SwiftCSV would drop an empty last cell. rowLimit: rows are read once, below.
      let ended = text.hasSuffix("\n") || text.hasSuffix("\r\n") ? text : text + "\n"
      let csv = try EnumeratedCSV(string: ended, delimiter: .comma, loadColumns: false, rowLimit: 0)
      try csv.enumerateAsArray(startAt: 0, rowLimit: nil) { lines.append($0) }
    } catch {
      throw SetupError("\(name) line \(lines.count + 1): a quote stands in the middle of a cell")
    }
    var number = 1
    return lines.map { cells in
      defer { number += 1 + cells.reduce(0) { $0 + $1.count(where: \.isNewline) } }
      return (number, cells)
    }
  }
}
