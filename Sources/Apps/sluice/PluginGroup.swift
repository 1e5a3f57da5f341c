import ArgumentParser
import CanonicalJSON
import Conformance
import Domain
import Foundation
import SluiceHost
import UVLoop

struct PluginGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plugin", abstract: "Write, prove and ship plugins.",
    subcommands: [
      NewPlugin.self, SDKPlace.self, RunPlugin.self, CheckPlugin.self, PackPlugin.self, SignPlugin.self, ShowKey.self,
      InstallPlugin.self, ListPlugins.self, ShowPlugin.self, RemovePlugin.self, ListAuthors.self, DistrustAuthor.self,
    ])
}

/// Where a plugin is: a path, or the name of one that is installed.
enum PluginPlace {
  static func path(_ name: String, dataFolder: String) throws -> String {
    if name.contains("/") || name.hasSuffix(".so") || name.hasSuffix(".yaml") { return name }
    if let path = InstalledPlugins.path(name, dataFolder: dataFolder) { return path }
    let folders = Installation.options(dataFolder: ".", log: .init(write: { _ in })).pluginFolders
    for folder in folders {
      let path = "\(folder)/\(name).yaml"
      if FileManager.default.fileExists(atPath: path) { return path }
    }
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: name, isDirectory: &isFolder), isFolder.boolValue {
      throw OperatorFileError.notAFile(path: name, what: "a folder")
    }
    throw EnablingError.noPlugin(
      name: name, versions: InstalledPlugins.known(as: name, dataFolder: dataFolder, bundled: folders))
  }
}

struct CheckPlugin: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Prove that a plugin keeps the ABI's rules: offline, seeded, one process each check.")

  @Argument(help: "A library, a manifest, or the name of an installed plugin.") var plugin: String?
  @Option(help: "basic, standard or hardened; each includes the ones before.") var level = "hardened"
  @Option(help: "The same seed does the same again.") var seed: UInt64?
  @Option(help: "Do what this seed did: as --seed.") var reproduce: UInt64?
  @Option(help: "Only this check; may be given several times.") var only: [String] = []
  @Option(help: "What the upstream answers; NAME.check.yaml beside the manifest by itself.") var fixtures: String?
  @Option(
    help: "The version before, to compare with: its manifest or library, or NAME@VERSION of an installed one.")
  var previous: String?
  @Option(help: "Write the results as JUnit XML to this file.") var junit: String?
  @Option(help: "The data folder in which a plugin's name is looked up.") var dataDir = "./.sluice"
  @Flag(help: "Answer in JSON.") var json = false
  @Flag(help: "Print every check with its clause, and run none.") var list = false

  func validate() throws {
    guard Level(rawValue: level) != nil else {
      throw ValidationError("There is no level \"\(level)\": basic, standard or hardened.")
    }
    guard list || plugin != nil else { throw ValidationError("Name a plugin, or --list.") }
    guard seed == nil || reproduce == nil else { throw ValidationError("--reproduce is --seed: give one of them.") }
  }

  func run() async throws {
    if list { return printList() }
    let subject = try Subject(
      path: try PluginPlace.path(plugin!, dataFolder: dataDir), fixtures: fixtures,
      previous: try previous.map { try PluginPlace.path($0, dataFolder: dataDir) })
    if let junit { try OperatorFile.checkWritable(junit) }
    var options = Kit.Options()
    options.level = Level(rawValue: level)!
    options.only = Set(only)
    options.seed = seed ?? reproduce ?? 1
    let loop = EventLoop()
    loop.start()
    defer { loop.stop() }
    let worker = Installation.options(dataFolder: ".", log: .init(write: { _ in })).workerProgram
    let isQuiet = json
    let report = try await Kit(subject, options: options, program: worker, loop: loop).run { result in
      if !isQuiet, ![.inapplicable, .blocked].contains(result.status) { StandardStream.output(Self.line(result)) }
    }
    if let junit {
      try OperatorFile.writing(junit) { try Data(report.junit.utf8).write(to: URL(fileURLWithPath: junit)) }
    }
    if json { print(report.json.canonicalText) } else { say(report) }
    if !report.isGood { throw ExitCode(1) }
  }

  private static func line(_ result: CheckResult) -> String {
    let status = result.status.rawValue.padded(8)
    let line = "\(status) \(result.name): \(result.sentence) [\(result.clause)] \(result.spentMs) ms".harmless + "\n"
    return result.reason.isEmpty ? line : line + indented(result.reason, by: 11)
  }

  /// A reason may hold what a plugin wrote: no line of it begins where ours do.
  private static func indented(_ text: String, by width: Int) -> String {
    text.split(separator: "\n").map { String(repeating: " ", count: width) + String($0).harmless + "\n" }.joined()
  }

  private func say(_ report: Report) {
    let blocked = report.count(.blocked)
    if blocked > 0 {
      print("blocked  \(blocked) checks: they need a plugin that starts")
      let isTold = report.results.contains { Kit.starting.contains($0.name) && $0.isBad }
      if !isTold, let first = report.results.first(where: { $0.status == .blocked }) {
        print(Self.indented("\(first.name): \(first.reason)", by: 9), terminator: "")
      }
    }
    let bad = report.results.filter { $0.isBad && $0.status != .blocked }
    if !bad.isEmpty {
      print("\nTo see one again:")
      for result in bad.prefix(5) {
        print("  sluice plugin check \(plugin!) --only \(result.name) --reproduce \(report.seed)")
      }
    }
    print("\n" + report.badge.harmlessLines)
  }

  private func printList() {
    if json {
      let rows = Check.all.map { check -> JSONValue in
        [
          "name": .string(check.name), "level": .string(check.level.rawValue), "clause": .string(check.clause),
          "sentence": .string(check.sentence),
        ]
      }
      return print(JSONValue.array(rows).canonicalText)
    }
    for check in Check.all {
      print("\(check.level.rawValue.padded(9)) \(check.name.padded(34)) \(check.clause.padded(13)) \(check.sentence)")
    }
  }
}
