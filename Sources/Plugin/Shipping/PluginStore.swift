package import ConnectorFabric
import Domain
import Foundation
import SluiceHost
package import TrustLedger
import YAMLFiles

/// The plugins of a data folder: `plugins/NAME/VERSION/`, each version beside the others, none ever replaced. `plugins/trusted`
/// holds the keys of authors who are trusted, a vkey a line.
package struct PluginStore {
  package struct Installed: Sendable {
    package let manifest: Manifest
    /// The manifest's path; the library stands beside it.
    package let path: String
  }

  private let folder: String
  package init(dataFolder: String) { folder = dataFolder + "/plugins" }

  /// By name, then by version, the newest last.
  package func installed() throws -> [Installed] {
    try names(in: folder).flatMap { name in
      try names(in: "\(folder)/\(name)").sorted(by: PluginVersion.isOlder).map { try load(name, $0) }
    }
  }

  package func newest(_ name: String) throws -> Installed? { try installed().last { $0.manifest.name == name } }

  /// - Parameter name: `NAME` for the newest version, or `NAME@VERSION`.
  package func find(_ name: String) throws -> Installed? {
    let parts = name.split(separator: "@", maxSplits: 1).map(String.init)
    guard parts.count == 2 else { return try newest(name) }
    return try installed().first { $0.manifest.name == parts[0] && $0.manifest.version == parts[1] }
  }

  /// - Throws: `PackError.alreadyInstalled` for another pack of the same name and version.
  package func install(_ pack: PluginPack) throws -> Installed {
    let (name, version) = (pack.manifest.name, pack.manifest.version)
    let target = "\(folder)/\(name)/\(version)"
    if FileManager.default.fileExists(atPath: target) {
      guard try read("\(target)/\(name).yaml") == pack.manifestText else {
        throw PackError.alreadyInstalled(name: name, version: version)
      }
      return try load(name, version)
    }
    try FileManager.default.createDirectory(
      atPath: "\(folder)/\(name)", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    // Whole or not at all: the name appears when everything is there.
    let new = "\(folder)/\(name)/.new-\(UUID().uuidString)"
    do {
      try FileManager.default.createDirectory(
        atPath: new, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
      try write(pack.library, "\(new)/\(pack.manifest.library.file)", mode: 0o755)
      try write(pack.sbom, "\(new)/sbom.cdx.json")
      if let fixtures = pack.fixtures { try write(fixtures, "\(new)/\(name).check.yaml") }
      try write(pack.manifestText, "\(new)/\(name).yaml")
      try FileManager.default.moveItem(atPath: new, toPath: target)
    } catch {
      try? FileManager.default.removeItem(atPath: new)
      throw error
    }
    return try load(name, version)
  }

  package func remove(_ installed: Installed) throws {
    let folder = (installed.path as NSString).deletingLastPathComponent
    try FileManager.default.removeItem(atPath: folder)
    let parent = (folder as NSString).deletingLastPathComponent
    if try FileManager.default.contentsOfDirectory(atPath: parent).isEmpty {
      try FileManager.default.removeItem(atPath: parent)
    }
  }

  package func trusted() throws -> [NoteKey] {
    guard let text = try? String(contentsOfFile: folder + "/trusted", encoding: .utf8) else { return [] }
    return try text.split(whereSeparator: \.isNewline).map { try NoteKey(vkey: String($0)) }
  }

  package func trust(_ key: NoteKey) throws {
    let all = try trusted()
    guard !all.contains(key) else { return }
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    try write(Array((all + [key]).map { $0.vkey + "\n" }.joined().utf8), folder + "/trusted", mode: 0o600)
  }

  private func names(in folder: String) throws -> [String] {
    guard FileManager.default.fileExists(atPath: folder) else { return [] }
    return try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.first != "." && $0 != "trusted" }
      .sorted()
  }

  private func load(_ name: String, _ version: String) throws -> Installed {
    let path = "\(folder)/\(name)/\(version)/\(name).yaml"
    let document = try YAMLFile.document(try OperatorFile.text(path), name: "\(name).yaml")
    return Installed(manifest: try Manifest(document), path: path)
  }

  private func read(_ path: String) throws -> [UInt8] { try OperatorFile.read(path) }

  private func write(_ bytes: [UInt8], _ path: String, mode: Int = 0o644) throws {
    try OperatorFile.writing(path) { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
  }
}
