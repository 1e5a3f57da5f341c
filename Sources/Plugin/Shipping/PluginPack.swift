// Shipping: a plugin's way from its author to an operator: a new folder, a pack, a signature, an installation. Comes in: built
// libraries with their manifests. Goes out: archives, signatures, files of a data folder. It runs nothing of a plugin.

import CanonicalJSON
package import ConnectorFabric
import Cryptography
package import Domain
import PluginHost
import YAMLFiles

/// A plugin as it is shipped: `manifest.yaml`, the library, `sbom.cdx.json`, and what the conformance kit plays, in one file.
package struct PluginPack: Sendable {
  package let manifest: Manifest
  package let document: JSONValue
  package let manifestText: [UInt8]
  package let library: [UInt8]
  package let sbom: [UInt8]
  package let fixtures: [UInt8]?

  /// What a built plugin is packed from.
  /// - Parameters:
  ///   - sbom: The author's own, whole; one is made of `parts` and of the library when nil.
  ///   - parts: What the author's build says of the library's inside.
  /// - Throws: `PackError`, `DocumentError`.
  package init(
    manifestText: [UInt8], library: [UInt8], sbom: [UInt8]? = nil, parts: Parts? = nil, fixtures: [UInt8]? = nil
  ) throws {
    self.manifestText = manifestText
    self.library = library
    self.fixtures = fixtures
    let document = try YAMLFile.document(String(decoding: manifestText, as: UTF8.self), name: "manifest.yaml")
    self.document = document.value
    manifest = try Manifest(document)
    guard SHA256.digest(library) == manifest.library.sha256 else { throw PackError.otherLibrary(name: manifest.name) }
    guard let note = LibraryNote.find(library), note.major == manifest.library.abiMajor else {
      let said = LibraryNote.find(library).map { "it says \($0.major).\($0.minor)" } ?? "there is none"
      throw PackError.otherABI(note: said)
    }
    if let sbom {
      guard let document = try? JSONValue(parsing: sbom), document["bomFormat"]?.string == "CycloneDX" else {
        throw PackError.notAPack(reason: "its bill of materials is not CycloneDX in JSON")
      }
    }
    self.sbom = sbom ?? BillOfMaterials.of(manifest, library, parts: parts).canonicalBytes
  }

  /// - Throws: `PackError`, `DocumentError`.
  package init(archive: [UInt8]) throws {
    let entries = Dictionary(uniqueKeysWithValues: try TarArchive.read(archive).map { ($0.name, $0.bytes) })
    guard let text = entries["manifest.yaml"], let sbom = entries["sbom.cdx.json"] else {
      throw PackError.notAPack(reason: "it lacks manifest.yaml or sbom.cdx.json")
    }
    let file = try YAMLFile.document(String(decoding: text, as: UTF8.self), name: "manifest.yaml").value["library"]?[
      "file"]
    guard let name = file?.string, let library = entries[name] else {
      throw PackError.notAPack(reason: "it lacks the library that its manifest names")
    }
    try self.init(manifestText: text, library: library, sbom: sbom, fixtures: entries["check.yaml"])
    guard Set(entries.keys).subtracting(["manifest.yaml", "sbom.cdx.json", "check.yaml", name]).isEmpty else {
      throw PackError.notAPack(reason: "it holds files that belong to no pack")
    }
  }

  /// The same bytes for the same plugin, on every machine.
  package func archive() throws -> [UInt8] {
    var entries = [
      TarArchive.Entry(name: "manifest.yaml", bytes: manifestText),
      TarArchive.Entry(name: manifest.library.file, bytes: library),
      TarArchive.Entry(name: "sbom.cdx.json", bytes: sbom),
    ]
    if let fixtures { entries.append(TarArchive.Entry(name: "check.yaml", bytes: fixtures)) }
    return try TarArchive.write(entries)
  }

  package var fileName: String { "\(manifest.name)-\(manifest.version).sluice" }
}
