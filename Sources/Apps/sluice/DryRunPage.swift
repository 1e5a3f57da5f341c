import ArgumentParser
import CanonicalJSON
import Domain

/// What a connector's dry run showed, as people read it: each stream with its place, then its records with what they become.
struct DryRunPage {
  private let answer: JSONValue

  /// - Parameter answer: As `connector.dry_run` gives it.
  init(_ answer: JSONValue) { self.answer = answer.harmless }

  var text: String {
    let streams = (answer["streams"]?.array ?? []).map(stream)
    return (["check: \(answer["check"]?.string ?? "?")\n"] + streams).joined(separator: "\n")
  }

  /// Ends the command as failed when what was tried does not work: the page has said why.
  static func check(_ answer: JSONValue) throws {
    if answer["works"]?.bool != true { throw ExitCode.failure }
  }

  private func stream(_ stream: JSONValue) -> String {
    let records = stream["records"]?.array ?? []
    let known = stream["known_again"]?.integer ?? 0
    let from = stream["from"]?.string.map { "from \($0)" } ?? "from the beginning"
    var lines = "\(stream["stream"]?.string ?? "?"), \(from): \(records.count) new"
    if known > 0 { lines += ", \(known) known already" }
    lines += "; \(stream["ending"]?.string ?? "?")\n"
    return lines + records.map(record).joined()
  }

  private func record(_ record: JSONValue) -> String {
    func text(_ key: String) -> String { record[key]?.string ?? "" }
    var lines = "  \(text("op")) \(text("key"))" + (text("version").isEmpty ? "" : " at \(text("version"))")
    lines += " → \(text("becomes"))" + (record["day"]?.string.map { " of \($0)" } ?? "") + "\n"
    if !text("reason").isEmpty { lines += "      \(text("reason"))\n" }
    if let fields = record["fields"], !fields.isNull { lines += "      \(fields.canonicalText)\n" }
    if let unread = record["unread"]?.array, !unread.isEmpty {
      lines += "      nobody reads \(unread.compactMap(\.string).joined(separator: ", "))\n"
    }
    // What becomes of nothing is best seen as it came.
    if record["fields"] == nil, let payload = record["payload"] {
      let text = payload.string ?? payload.canonicalText
      lines += "      \(text.prefix(400))\(text.count > 400 ? "…" : "")\n"
    }
    return lines
  }
}
