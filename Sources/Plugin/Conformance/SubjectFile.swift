import ConnectorFabric
import Cryptography
import Domain
import Foundation
import SluiceHost
import YAMLFiles

extension Subject {
  /// Finds what belongs to a plugin: its manifest, its library, and beside them `NAME.check.yaml`.
  /// - Parameters:
  ///   - path: A manifest or a library. A library's manifest stands beside it and names it.
  ///   - previous: The manifest or the library of the version before.
  /// - Throws: `KitError`, `DocumentError`, `OperatorFileError`.
  package init(path: String, fixtures: String? = nil, previous: String? = nil) throws {
    let manifestPath = path.hasSuffix(".so") ? try Self.manifest(of: path) : path
    let folder = (manifestPath as NSString).deletingLastPathComponent
    let (manifest, document) = try Self.stamped(manifestPath)
    let beside = (manifestPath as NSString).deletingPathExtension + ".check.yaml"
    let fixturesPath = fixtures ?? (FileManager.default.fileExists(atPath: beside) ? beside : nil)
    let library = folder.isEmpty ? manifest.library.file : folder + "/" + manifest.library.file
    let image = try OperatorFile.read(library)
    self.init(
      manifest: manifest, document: document, library: OperatorFile.absolute(library), image: image,
      fixtures: try fixturesPath.map { try Fixtures(Self.document($0)) } ?? .none,
      previous: try previous.map { try Self.previous($0, of: image) }, skipped: manifest.skippedChecks)
  }

  /// - Parameter image: The library that is checked: beside an older manifest of the same name it is not that one's.
  private static func previous(_ path: String, of image: [UInt8]) throws -> Previous {
    let manifestPath = path.hasSuffix(".so") ? try manifest(of: path) : path
    let (manifest, document) = try stamped(manifestPath, needsLibrary: false)
    let file = ((manifestPath as NSString).deletingLastPathComponent as NSString).appendingPathComponent(
      manifest.library.file)
    let version = manifest.version
    let library: Previous.Library
    if let older = try? OperatorFile.read(file) {
      let isStamped = manifest.library.sha256.hex != unstamped
      if older == image {
        library = .lacking(reason: "The library beside the manifest of \(version) is the one that is checked.")
      } else if isStamped, SHA256.digest(older) != manifest.library.sha256 {
        library = .lacking(reason: "The library beside the manifest of \(version) is not the one that it names.")
      } else {
        library = .found(path: OperatorFile.absolute(file), image: older)
      }
    } else {
      library = .lacking(reason: "The library of \(version) is not beside its manifest.")
    }
    return Previous(manifest: manifest, document: document, library: library)
  }

  /// What stands for the digest of a library that need not be there.
  private static let unstamped = String(repeating: "0", count: 64)

  private static func document(_ path: String) throws -> SourceDocument {
    try YAMLFile.document(try OperatorFile.document(path), name: (path as NSString).lastPathComponent)
  }

  /// The manifest beside the library that names it.
  private static func manifest(of library: String) throws -> String {
    let folder = (library as NSString).deletingLastPathComponent
    let name = (library as NSString).lastPathComponent
    let own = (library as NSString).deletingPathExtension + ".yaml"
    let others = try FileManager.default.contentsOfDirectory(atPath: folder.isEmpty ? "." : folder).sorted()
      .filter { $0.hasSuffix(".yaml") && !$0.hasSuffix(".check.yaml") }.map { folder.isEmpty ? $0 : folder + "/" + $0 }
    for path in [own] + others where FileManager.default.fileExists(atPath: path) {
      if let document = try? document(path), document.value["library"]?["file"]?.string == name { return path }
    }
    throw KitError.noManifest(path: library)
  }

  /// Reads a manifest; `sha256: built`, as authors write it, stands for the library that is there.
  private static func stamped(_ path: String, needsLibrary: Bool = true) throws -> (Manifest, JSONValue) {
    let document = try document(path)
    guard document.value["library"]?["sha256"]?.string == "built" else {
      return (try Manifest(document), document.value)
    }
    var root = document.value.object ?? [:]
    var library = root["library"]?.object ?? [:]
    let file = ((path as NSString).deletingLastPathComponent as NSString).appendingPathComponent(
      library["file"]?.string ?? "")
    let digest = needsLibrary ? SHA256.digest(try OperatorFile.read(file)).hex : unstamped
    library["sha256"] = .string(digest)
    root["library"] = .object(library)
    let whole = document.with(.object(root))
    return (try Manifest(whole), whole.value)
  }
}
