import CanonicalJSON
import Cryptography
import Domain
import Foundation

/// Where an instance's plugin stands, as its activation says it. What is installed in the data folder is kept relative to that, as
/// `data:plugins/NAME/VERSION`: it is found wherever the folder is moved or restored to.
enum PluginFolder {
  private static let ofData = "data:"

  /// As it is journaled.
  static func kept(_ folder: String, dataFolder: String) -> String {
    func plain(_ path: String) -> String {
      URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath().path
    }
    let (path, home) = (plain(folder), plain(dataFolder))
    return path.hasPrefix(home + "/plugins/") ? ofData + path.dropFirst(home.count + 1) : folder
  }

  /// Where it is now. Activations of earlier versions name the folder where the plugin was installed; when this data folder holds
  /// the same library under the same name and version, that one counts.
  static func found(_ enabling: Enabling, dataFolder: String) -> String {
    if enabling.folder.hasPrefix(ofData) {
      return OperatorFile.absolute("\(dataFolder)/\(enabling.folder.dropFirst(ofData.count))")
    }
    let manifest = enabling.manifest
    guard let name = manifest["name"]?.string, let version = manifest["version"]?.string,
      enabling.folder.hasSuffix("/plugins/\(name)/\(version)"), let library = library(of: enabling),
      let promised = manifest["library"]?["sha256"]?.string
    else { return enabling.folder }
    let here = OperatorFile.absolute("\(InstalledPlugins.folder(dataFolder: dataFolder))/\(name)/\(version)")
    guard let bytes = FileManager.default.contents(atPath: "\(here)/\(library)"),
      SHA256.digest([UInt8](bytes)).hex == promised
    else { return enabling.folder }
    return here
  }

  /// The library's file, within the folder.
  static func library(of enabling: Enabling) -> String? { enabling.manifest["library"]?["file"]?.string }
}

extension RunningHost {
  func pluginFolder(of enabling: Enabling) -> String { PluginFolder.found(enabling, dataFolder: options.dataFolder) }

  /// The enabled instances whose library is not where it should be, for people.
  func missingLibraries(of tenant: TenantID) throws -> [JSONValue] {
    let enabled = try enablings(of: tenant).filter(\.settings.enabled)
    return enabled.compactMap { enabling in
      let path = "\(pluginFolder(of: enabling))/\(PluginFolder.library(of: enabling) ?? "")"
      guard !FileManager.default.fileExists(atPath: path) else { return nil }
      return [
        "tenant": .string(tenant.rawValue), "instance": .string(enabling.instance.rawValue), "library": .string(path),
      ]
    }
  }
}
