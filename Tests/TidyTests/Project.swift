import Foundation

/// A text file of the project, by its path from the root.
struct ProjectFile: Sendable {
  let path: String
  let text: String
  var lines: [String] { text.components(separatedBy: "\n") }
  var isSwift: Bool { path.hasSuffix(".swift") }
  var name: String { path.components(separatedBy: "/").last! }

  func isUnder(_ folders: String...) -> Bool { folders.contains { path == $0 || path.hasPrefix($0 + "/") } }
}

/// The tree that these tests stand in, read once.
struct Project: Sendable {
  static let here = Project(
    root: URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().path)

  let root: String
  let files: [ProjectFile]

  init(root: String) {
    self.root = root
    let manager = FileManager.default
    let folders = [
      "Sources", "Plugins", "sandbox", "Tests", "docs", "manifests", "policies", "playbooks", "Benchmarks", "deploy",
    ]
    var paths = (try? manager.contentsOfDirectory(atPath: root)) ?? []
    paths = paths.filter { Self.isText($0) }
    for folder in folders {
      let inside = manager.enumerator(atPath: root + "/" + folder)?.compactMap { $0 as? String } ?? []
      paths += inside.map { folder + "/" + $0 }.filter { path in
        Self.isText(path) && !path.components(separatedBy: "/").contains { $0.hasPrefix(".") || $0 == "__pycache__" }
      }
    }
    files = paths.sorted().compactMap { path in
      (try? String(contentsOfFile: root + "/" + path, encoding: .utf8)).map { ProjectFile(path: path, text: $0) }
    }
  }

  private static func isText(_ path: String) -> Bool {
    let name = path.components(separatedBy: "/").last!
    if name == "Makefile" { return true }
    return [
      ".swift", ".c", ".h", ".cpp", ".py", ".go", ".md", ".mk", ".yaml", ".cedar", ".cedarschema", ".txt", ".sh",
    ].contains { name.hasSuffix($0) } && name != "Package.resolved"
  }

  func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: root + "/" + path) }
  func file(_ path: String) -> ProjectFile? { files.first { $0.path == path } }
  func text(_ path: String) -> String { file(path)?.text ?? "" }

  /// Swift of the product: what is linked into programs and plugins.
  var productSwift: [ProjectFile] { files.filter { $0.isSwift && $0.isUnder("Sources", "Plugins", "sandbox") } }
  var documents: [ProjectFile] { files.filter { $0.path.hasSuffix(".md") } }
}

/// A regular expression; `^` and `$` match at lines.
struct Pattern: Sendable {
  private let expression: NSRegularExpression
  init(_ text: String) {
    expression = try! NSRegularExpression(pattern: text, options: [.anchorsMatchLines])
  }

  /// Every match with its groups; a group that took no part is empty.
  func matches(in text: String) -> [[String]] {
    let whole = text as NSString
    return expression.matches(in: text, range: NSRange(location: 0, length: whole.length)).map { match in
      (0..<match.numberOfRanges).map {
        let range = match.range(at: $0)
        return range.location == NSNotFound ? "" : whole.substring(with: range)
      }
    }
  }
  func isFound(in text: String) -> Bool {
    expression.firstMatch(in: text, range: NSRange(location: 0, length: (text as NSString).length)) != nil
  }
}

/// One place that breaks a rule.
struct Violation: Hashable, CustomStringConvertible {
  /// What the ratchet counts by: a path, or a name.
  let place: String
  let sentence: String
  var description: String { "\(place): \(sentence)" }
}
