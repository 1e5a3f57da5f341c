package import ConnectorFabric
package import Domain
import Foundation
import SluiceHost
package import TrustLedger
import YAMLFiles

/// The plugins of a data folder: `plugins/NAME/VERSION/`, each version beside the others, none ever replaced; in each, `signer`
/// says whose key signed it. `plugins/.trusted` holds the keys of authors who are trusted, a vkey a line.
package struct PluginStore {
  package struct Installed: Sendable {
    package let manifest: Manifest
    package let document: JSONValue
    /// The manifest's path; the library stands beside it.
    package let path: String
    /// The name of the key that signed it; nil when nobody did.
    package let signer: String?
    package var authority: Authority { Authority(manifest, document: document) }
  }
  /// A folder of a version that cannot be read: told of, and in nobody's way.
  package struct Broken: Sendable {
    package let name: String
    package let version: String
    package let reason: String
  }

  private let dataFolder: String
  private let folder: String
  private let crash: any CrashInjector

  package init(dataFolder: String, crash: any CrashInjector = NoCrash()) {
    self.dataFolder = dataFolder
    folder = InstalledPlugins.folder(dataFolder: dataFolder)
    self.crash = crash
  }

  /// By name, then by version, the newest last.
  package func all() -> (installed: [Installed], broken: [Broken]) {
    var (installed, broken): ([Installed], [Broken]) = ([], [])
    for name in names() {
      for version in InstalledPlugins.versions(in: "\(folder)/\(name)") {
        do { installed.append(try load(name, version)) } catch {
          let reason = (error as? any OperatorError)?.message ?? "it cannot be read"
          broken.append(Broken(name: name, version: version, reason: reason))
        }
      }
    }
    return (installed, broken)
  }

  package func newest(_ name: String) -> Installed? { all().installed.last { $0.manifest.name == name } }

  /// The folder of a version, whether or not what is in it can be read.
  /// - Parameter name: `NAME` for the newest version, or `NAME@VERSION`.
  package func versionFolder(_ name: String) -> String? {
    InstalledPlugins.path(name, dataFolder: dataFolder).map { ($0 as NSString).deletingLastPathComponent }
  }

  /// - Throws: `PackError.alreadyInstalled` for another pack of the same name and version, `DataFolderError`.
  package func install(_ pack: PluginPack, signer: String?) throws -> Installed {
    try alone { try installAlone(pack, signer: signer) }
  }

  private func installAlone(_ pack: PluginPack, signer: String?) throws -> Installed {
    let (name, version) = (pack.manifest.name, pack.manifest.version)
    try makeFolder("\(folder)/\(name)")
    try sweep("\(folder)/\(name)")
    let target = "\(folder)/\(name)/\(version)"
    if FileManager.default.fileExists(atPath: target) {
      let same = try? OperatorFile.read("\(target)/\(name).yaml") == pack.manifestText
      guard same == true else { throw PackError.alreadyInstalled(name: name, version: version) }
      if let signer { try record(signer, in: target) }
      return try load(name, version)
    }
    // Whole or not at all: the name appears when everything is there and durable.
    let new = "\(folder)/\(name)/.new-\(UUID().uuidString)"
    do {
      try makeFolder(new)
      try write(pack.library, "\(new)/\(pack.manifest.library.file)", mode: 0o755)
      try write(pack.sbom, "\(new)/sbom.cdx.json")
      if let fixtures = pack.fixtures { try write(fixtures, "\(new)/\(name).check.yaml") }
      if let signer { try write(Array((signer + "\n").utf8), "\(new)/signer") }
      try write(pack.manifestText, "\(new)/\(name).yaml")
      try sync(new)
      crash.reach(.pluginBeforeName)
      try move(new, to: target)
      try sync("\(folder)/\(name)")
      crash.reach(.pluginAfterName)
    } catch {
      try? FileManager.default.removeItem(atPath: new)
      throw error
    }
    return try load(name, version)
  }

  /// Says whose the version is, of which that was not known, or was somebody else's: whoever installs it has granted that.
  private func record(_ signer: String, in version: String) throws {
    let new = "\(version)/.signer.new"
    try write(Array((signer + "\n").utf8), new)
    try move(new, to: "\(version)/signer")
    try sync(version)
  }

  /// Takes a version's folder away: first its name, then its content.
  package func remove(folder version: String) throws {
    try alone { try removeAlone(folder: version) }
  }

  private func removeAlone(folder version: String) throws {
    let home = (version as NSString).deletingLastPathComponent
    let old = "\(home)/.old-\(UUID().uuidString)"
    try move(version, to: old)
    try sweep(home)
    if try FileManager.default.contentsOfDirectory(atPath: home).isEmpty {
      try FileManager.default.removeItem(atPath: home)
    }
  }

  package func trusted() throws -> [NoteKey] {
    let path = folder + "/.trusted"
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    return try OperatorFile.text(path).split(whereSeparator: \.isNewline).map { try Self.key(String($0), in: path) }
  }

  /// - Throws: `PackError.badTrustedKey`.
  package static func key(_ vkey: String, in place: String) throws(PackError) -> NoteKey {
    do { return try NoteKey(vkey: vkey) } catch { throw .badTrustedKey(place: place) }
  }

  package func trust(_ key: NoteKey) throws {
    try alone { try trustAlone(key) }
  }

  private func trustAlone(_ key: NoteKey) throws {
    let all = try trusted()
    guard !all.contains(key) else { return }
    try keep(all + [key])
  }

  /// - Returns: The keys that were trusted until now.
  package func distrust(_ isMeant: (NoteKey) -> Bool) throws -> [NoteKey] {
    try alone {
      let all = try trusted()
      let gone = all.filter(isMeant)
      if !gone.isEmpty { try keep(all.filter { !gone.contains($0) }) }
      return gone
    }
  }

  /// All keys or those of before, wherever it dies.
  private func keep(_ keys: [NoteKey]) throws {
    let new = folder + "/.trusted.new"
    try write(Array(keys.map { $0.vkey + "\n" }.joined().utf8), new, mode: 0o600)
    crash.reach(.pluginBeforeName)
    try move(new, to: folder + "/.trusted")
    try sync(folder)
    crash.reach(.pluginAfterName)
  }

  private func names() -> [String] {
    let found = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return found.filter { InstanceID(rawValue: $0) != nil }.sorted()
  }

  private func load(_ name: String, _ version: String) throws -> Installed {
    let path = "\(folder)/\(name)/\(version)/\(name).yaml"
    let document = try YAMLFile.document(try OperatorFile.text(path), name: "\(name).yaml")
    let manifest = try Manifest(document)
    guard manifest.name == name, manifest.version == version else {
      throw PackError.notAPack(reason: "its manifest is that of \(manifest.name) \(manifest.version)")
    }
    let signer = try? OperatorFile.text("\(folder)/\(name)/\(version)/signer")
    return Installed(
      manifest: manifest, document: document.value, path: path,
      signer: signer.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) })
  }

  /// One installation, removal or new key at a time: what is half there then belongs to nobody who still works.
  private func alone<T>(_ body: () throws -> T) throws -> T {
    try makeFolder(folder)
    let path = folder + "/.lock"
    let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    defer { if file >= 0 { close(file) } }
    guard file >= 0, flock(file, LOCK_EX) == 0 else {
      throw OperatorFileError.unwritable(path: path, reason: String(cString: strerror(errno)))
    }
    return try body()
  }

  /// What a killed installation or removal left.
  private func sweep(_ home: String) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: home) where name.first == "." {
      try FileManager.default.removeItem(atPath: "\(home)/\(name)")
    }
  }

  /// As a host asks of its data folder: ours alone.
  private func makeFolder(_ path: String) throws {
    if FileManager.default.fileExists(atPath: dataFolder) {
      var status = stat()
      guard stat(dataFolder, &status) == 0, status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
        throw DataFolderError.notPrivate(path: dataFolder)
      }
    }
    try OperatorFile.writing(path) {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }
  }

  private func write(_ bytes: [UInt8], _ path: String, mode: Int = 0o644) throws {
    try OperatorFile.writing(path) { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    try sync(path)
  }

  private func move(_ path: String, to target: String) throws {
    guard rename(path, target) == 0 else {
      throw OperatorFileError.unwritable(path: target, reason: String(cString: strerror(errno)))
    }
  }

  private func sync(_ path: String) throws {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    defer { if file >= 0 { close(file) } }
    guard file >= 0, fsync(file) == 0 else {
      throw OperatorFileError.unwritable(path: path, reason: String(cString: strerror(errno)))
    }
  }
}
