import CanonicalJSON
import ConnectorFabric
import Domain
import PluginHost

/// What a pack says that it is made of: CycloneDX 1.5. What its author's build says of the inside is repeated; what can be
/// read off the library itself stands beside it. The same bytes for the same plugin.
enum BillOfMaterials {
  /// - Parameter parts: Nil when nobody said what is inside, which is then said as well.
  static func of(_ manifest: Manifest, _ library: [UInt8], parts: Parts?) -> JSONValue {
    let image = ELFImage(library)
    let this = "plugin:\(manifest.name)@\(manifest.version)"
    var document: [String: JSONValue] = [
      "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
      "metadata": [
        "component": [
          "type": "library", "bom-ref": .string(this), "name": .string(manifest.name),
          "version": .string(manifest.version), "description": .string(manifest.summary),
          "hashes": [["alg": "SHA-256", "content": .string(manifest.library.sha256.hex)]],
          "properties": .array(facts(manifest, library, image).map(property)),
        ]
      ],
      "components": .array(
        sorted(parts?.inside).map { component($0, as: "inside", type: "library", scope: "required") }
          + (image?.needed ?? []).sorted().map(neededComponent)
          + sorted(parts?.builtWith).map { component($0, as: "built-with", type: "application", scope: "excluded") }),
    ]
    if parts == nil { document["compositions"] = [["aggregate": "unknown", "assemblies": [.string(this)]]] }
    return .object(document)
  }

  private static func sorted(_ parts: [Parts.Part]?) -> [Parts.Part] {
    (parts ?? []).sorted { ($0.name, $0.version) < ($1.name, $1.version) }
  }

  /// What the library says of itself, whatever its author does.
  private static func facts(_ manifest: Manifest, _ library: [UInt8], _ image: ELFImage?) -> [(String, String)] {
    var facts = [("sluice:kind", manifest.kind.rawValue), ("sluice:file", manifest.library.file)]
    if let note = LibraryNote.find(library) { facts.append(("sluice:abi", "\(note.major).\(note.minor)")) }
    if let machine = image?.machineName { facts.append(("sluice:machine", machine)) }
    return facts + (image?.comments ?? []).sorted().map { ("sluice:comment", $0) }
  }

  private static func component(_ part: Parts.Part, as role: String, type: JSONValue, scope: JSONValue) -> JSONValue {
    var found: [String: JSONValue] = [
      "type": type, "bom-ref": .string("\(role):\(part.name)@\(part.version)"), "name": .string(part.name),
      "version": .string(part.version), "scope": scope, "properties": [property(("sluice:role", role))],
    ]
    if let license = part.license { found["licenses"] = [["expression": .string(license)]] }
    return .object(found)
  }

  /// What the system's linker must find; which version that is only the system knows.
  private static func neededComponent(_ name: String) -> JSONValue {
    [
      "type": "library", "bom-ref": .string("system:\(name)"), "name": .string(name), "scope": "required",
      "properties": [property(("sluice:role", "system"))],
    ]
  }

  private static func property(_ fact: (name: String, value: String)) -> JSONValue {
    ["name": .string(fact.name), "value": .string(fact.value)]
  }
}
