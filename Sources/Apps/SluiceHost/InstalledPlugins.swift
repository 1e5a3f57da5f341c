import ConnectorFabric
import Domain
import Foundation

/// Where `sluice plugin install` puts plugins: `plugins/NAME/VERSION/` of the data folder, versions side by side.
package enum InstalledPlugins {
  package static func folder(dataFolder: String) -> String { dataFolder + "/plugins" }

  /// The file of the keys of trusted authors. No plugin is called so.
  static let trusted = ".trusted"

  /// The manifest's path, absolute: the next host on this folder may be started from elsewhere.
  /// - Parameter name: `NAME` for its newest version, or `NAME@VERSION`. What is no name of a plugin is found nowhere.
  package static func path(_ name: String, dataFolder: String) -> String? {
    let parts = name.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let plugin = InstanceID(rawValue: parts[0])?.rawValue else { return nil }
    let home = "\(folder(dataFolder: dataFolder))/\(plugin)"
    let versions = versions(in: home)
    guard let version = parts.count == 2 ? versions.first(where: { $0 == parts[1] }) : versions.last else { return nil }
    return OperatorFile.absolute("\(home)/\(version)/\(plugin).yaml")
  }

  /// The oldest first. What is no version is nobody's.
  package static func versions(in home: String) -> [String] {
    let found = (try? FileManager.default.contentsOfDirectory(atPath: home)) ?? []
    return found.compactMap { PluginVersion($0) }.sorted().map(\.text)
  }

  /// The rights of a file that is restored, by its path within `plugins`. A worker opens its library as a user of its own.
  static func mode(of path: String) -> UInt32 {
    if path == trusted { return 0o600 }
    return path.hasSuffix(".so") ? 0o755 : 0o644
  }

  /// All files to be kept, by their path within `plugins`: those of one version together, open, and the keys of trusted authors.
  /// What is being installed or removed is not among them.
  static func files(dataFolder: String) throws -> [[(path: String, file: InputFile)]] {
    let root = folder(dataFolder: dataFolder)
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: root).sorted() else { return [] }
    var kept: [[(path: String, file: InputFile)]] = []
    for name in names where name == trusted {
      kept.append([(name, try InputFile(path: "\(root)/\(name)", followsLink: false))])
    }
    for name in names where InstanceID(rawValue: name) != nil {
      for version in versions(in: "\(root)/\(name)") {
        if let files = try files(in: "\(name)/\(version)", root) { kept.append(files) }
      }
    }
    return kept
  }

  /// - Returns: nil when the folder went away meanwhile.
  private static func files(in folder: String, _ root: String) throws -> [(path: String, file: InputFile)]? {
    guard let found = try? FileManager.default.subpathsOfDirectory(atPath: "\(root)/\(folder)").sorted() else {
      return nil
    }
    var files: [(path: String, file: InputFile)] = []
    for inside in found where !inside.split(separator: "/").contains(where: { $0.hasPrefix(".") }) {
      let path = "\(root)/\(folder)/\(inside)"
      var status = stat()
      guard lstat(path, &status) == 0 else { return nil }
      guard status.st_mode & S_IFMT == S_IFREG else { continue }
      guard BackupPart("plugins/\(folder)/\(inside)") != nil else {
        throw OperatorFileError.unreadable(path: path, reason: "its name cannot be kept in a backup")
      }
      files.append(("\(folder)/\(inside)", try InputFile(path: path, followsLink: false)))
    }
    return files
  }
}
