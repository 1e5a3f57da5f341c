import CanonicalJSON
import ConnectorFabric
import Domain
import Foundation
import Vault

/// A tenant's connectors as files: `connectors/INSTANCE.yaml`, each with what `connector enable` takes and no secret.
///
/// Where the folder is there it is the whole truth: an instance that it does not hold is disabled.
struct ConnectorFiles {
  struct File {
    let instance: InstanceID
    /// As `connector.enable` takes them.
    let arguments: JSONValue
    /// Why it rests; nil leaves that to operators.
    let pause: String?
    fileprivate let document: SourceDocument
  }
  let files: [File]

  /// - Returns: nil where there is no folder `connectors`.
  /// - Throws: `DocumentError` with the place of the first fault.
  init?(_ folder: String) throws {
    let home = folder + "/connectors"
    guard FileManager.default.fileExists(atPath: home) else { return nil }
    let names = try FileManager.default.contentsOfDirectory(atPath: home).filter { $0.first != "." }.sorted()
    // What is not read would disable what it means.
    if let odd = names.first(where: { !$0.hasSuffix(".yaml") }) {
      throw CommandError.refused(
        code: "config.odd_file", message: "\(home)/\(odd) is no INSTANCE.yaml.",
        remedy: "Rename it, or take it out of the folder: an instance without a file is disabled.")
    }
    files = try names.map { try Self.file(home, $0) }
  }

  private static func file(_ home: String, _ name: String) throws -> File {
    // Manifests have such names too: the folder is said.
    let document = try RunningHost.document(path: "\(home)/\(name)", name: "connectors/\(name)")
    let root = DocumentReader(document)
    try root.allow([
      "connector", "endpoints", "allow_private", "proxy", "config", "schedule", "limits", "replay", "pause",
    ])
    let plugin = try root["connector"].string("a plugin's name, NAME@VERSION or a manifest's path")
    // A path is meant from where the file stands.
    let place = plugin.hasSuffix(".yaml") && !plugin.hasPrefix("/") ? "\(home)/\(plugin)" : plugin
    var arguments: [String: JSONValue] = ["name": .string(place)]
    guard let instance = InstanceID(rawValue: String(name.dropLast(5))) else {
      throw root.error(
        "in a file called \(name)", allowed: "an instance's name before .yaml: small letters, digits, hyphens")
    }
    arguments["instance"] = .string(instance.rawValue)
    for (endpoint, base) in try root["endpoints"].members() {
      _ = (endpoint, try base.string("http://host:port or https://host"))
    }
    for key in ["endpoints", "config", "schedule", "limits"] { arguments[key] = root[key].value }
    if root["proxy"].isPresent { arguments["proxy"] = .string(try root["proxy"].string()) }
    for key in ["allow_private", "replay"] where root[key].isPresent { arguments[key] = .bool(try root[key].bool()) }
    let pause = root["pause"].isPresent ? try root["pause"].string("why it rests") : nil
    return File(instance: instance, arguments: .object(arguments), pause: pause, document: document)
  }
}

extension RunningHost {
  /// What a file asks for; a fault of it is shown where it stands.
  /// - Throws: `DocumentError`, `FaultOfFile`.
  func enabling(from file: ConnectorFiles.File) throws -> (Enabling, Manifest) {
    do { return try enabling(from: file.arguments, said: file.document) } catch let error as DocumentError {
      // Of this file or of the manifest: it names the place.
      throw error
    } catch let error as any OperatorError {
      let key = (error as? EnablingError)?.key ?? (error is ScheduleError ? "schedule.time_zone" : "")
      let line = file.document.mark(key).map { ":\($0.line)" } ?? ""
      throw FaultOfFile(place: file.document.name + line, fault: error)
    }
  }
}

/// A fault that a file has, which alone would not name it.
struct FaultOfFile: OperatorError {
  let place: String
  let fault: any OperatorError
  var code: String { fault.code }
  var message: String { "\(place): \(fault.message)" }
  var remedy: String { fault.remedy }
}
