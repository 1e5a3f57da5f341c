import ConnectorFabric
import Domain
import Foundation

/// Where `sluice plugin install` puts plugins: `plugins/NAME/VERSION/` of the data folder, versions side by side.
package enum InstalledPlugins {
  package static func folder(dataFolder: String) -> String { dataFolder + "/plugins" }

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
}
