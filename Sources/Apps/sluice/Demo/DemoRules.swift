import Foundation
import SluiceHost

/// The rules of a folder, for this demo's world: the people who may be written to and asked are its managers, as an
/// operator would list those of the company.
enum DemoRules {
  /// - Returns: The folder to apply: a copy of `configuration` in `folder`.
  static func folder(from configuration: String, in folder: String, managers: [String]) throws -> String {
    let target = folder + "/rules"
    let files = FileManager.default
    try OperatorFile.writing(target) {
      try? files.removeItem(atPath: target)
      try files.createDirectory(atPath: target, withIntermediateDirectories: true)
      for name in ["policies", "playbooks"] where files.fileExists(atPath: "\(configuration)/\(name)") {
        try files.copyItem(atPath: "\(configuration)/\(name)", toPath: "\(target)/\(name)")
      }
    }
    let path = target + "/policies/governance.yaml"
    guard files.fileExists(atPath: path) else { return target }
    let text = naming(managers, in: try OperatorFile.text(path))
    try OperatorFile.writing(path) { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) }
    return target
  }

  /// The document with other managers under `people`; whoever else stands there stays.
  static func naming(_ managers: [String], in document: String) -> String {
    var lines = document.components(separatedBy: "\n")
    guard let people = lines.firstIndex(of: "people:") else { return document }
    let end = lines[(people + 1)...].firstIndex { !$0.hasPrefix("  ") } ?? lines.endIndex
    let others = lines[(people + 1)..<end].filter { !$0.hasSuffix(": manager") }
    let named = managers.map { name in
      let quoted = name.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
      return "  \"\(quoted)\": manager"
    }
    lines.replaceSubrange((people + 1)..<end, with: others + named)
    return lines.joined(separator: "\n")
  }
}
