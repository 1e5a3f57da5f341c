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

  /// What there is of the plugin that a name means: versions that are installed, each as NAME@VERSION, and as NAME what came with
  /// Sluice.
  package static func known(as name: String, dataFolder: String, bundled folders: [String]) -> [String] {
    guard let plugin = InstanceID(rawValue: String(name.prefix { $0 != "@" }))?.rawValue else { return [] }
    let isBundled = folders.contains { FileManager.default.fileExists(atPath: "\($0)/\(plugin).yaml") }
    return versions(in: "\(folder(dataFolder: dataFolder))/\(plugin)").map { "\(plugin)@\($0)" }
      + (isBundled ? [plugin] : [])
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

  /// Gives all files to be kept, by their path within `plugins`: the keys of trusted authors, then those of one version after the
  /// other, which are open together. What is being installed or removed is not among them.
  static func eachVersion(dataFolder: String, _ keep: ([(path: String, file: InputFile)]) throws -> Void) throws {
    let root = folder(dataFolder: dataFolder)
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: root).sorted() else { return }
    if names.contains(trusted) { try keep([(trusted, try InputFile(path: "\(root)/\(trusted)", followsLink: false))]) }
    for name in names where InstanceID(rawValue: name) != nil {
      for version in versions(in: "\(root)/\(name)") {
        if let files = try files(in: "\(name)/\(version)", root) { try keep(files) }
      }
    }
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
