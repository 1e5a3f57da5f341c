import ArgumentParser
import CanonicalJSON
import Domain
import Foundation
import Policy
import SluiceHost

struct PolicyGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy", abstract: "What may be done, held or refused.",
    subcommands: [Check.self, List.self, Show.self, Diff.self, Activate.self, Corpus.self])

  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Read a folder's thresholds, playbooks and policies as `apply` would, and change nothing.")
    @Argument(help: "The folder that holds `policies` and `playbooks`.") var folder = "."
    func run() throws {
      for (kind, name) in try ConfigurationCheck.run(folder: folder) { print("ok  \(kind)  \(name)") }
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the sets of rules in force by hash, and what outcomes suggest.")
    @OptionGroup var everywhere: Everywhere
    func run() async throws { try await everywhere.ask("policy.list") }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a set of rules: in force, earlier or suggested.")
    @OptionGroup var everywhere: Everywhere
    @Argument(help: "Its hash, as `policy list` prints it.") var hash: String
    func run() async throws { try await everywhere.ask("policy.show", ["hash": .string(hash)]) }
  }

  struct Diff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what a folder, or a set by its hash, would change of what is in force.")
    @OptionGroup var everywhere: Everywhere
    @Argument(help: "A folder as `apply` takes it, or a hash.") var set: String
    func run() async throws {
      let isHash = set.count == 64 && set.allSatisfy(\.isHexDigit)
      let path = OperatorFile.absolute(set)
      try await everywhere.ask("policy.diff", [isHash ? "hash" : "folder": .string(isHash ? set : path)])
    }
  }

  struct Activate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Put a suggested or an earlier set into effect.")
    @OptionGroup var everywhere: Everywhere
    @Argument(help: "Its hash, as `policy list` prints it.") var hash: String
    func run() async throws { try await everywhere.ask("policy.activate", ["hash": .string(hash)]) }
  }

  struct Corpus: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Run Cedar's integration tests, from a folder or a .tar.gz, against this engine.")
    @Argument(help: "A folder, or an archive of one.") var path: String

    func run() throws {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw CommandError.refused(
          code: "policy.no_corpus", message: "\(path) does not exist.",
          remedy: "Name the folder or archive of the corpus.")
      }
      var run = Cedar.CorpusRun()
      if isFolder.boolValue {
        try Self.take(URL(filePath: path), into: &run)
      } else {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sluice-cedar-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Self.unpack(path, to: folder)
        try Self.take(folder, into: &run)
      }
      for failure in run.failures { print(failure) }
      for (construct, count) in run.unsupported.sorted(by: { $0.key < $1.key }) {
        print("unsupported \(construct): \(count)")
      }
      print("\(run.passed) passed, \(run.failed) failed")
      if run.failed > 0 || run.passed == 0 { throw ExitCode(1) }
    }

    private static func take(_ folder: URL, into run: inout Cedar.CorpusRun) throws {
      let paths = FileManager.default.subpaths(atPath: folder.path) ?? []
      let files = Dictionary(uniqueKeysWithValues: paths.map { ($0, folder.appending(path: $0)) })
      // A test names its files by their place in the corpus; unpacked flat, they lie in the folder itself.
      for path in paths.sorted() where Cedar.CorpusRun.isTest(path: path) {
        run.run(name: path, test: try [UInt8](Data(contentsOf: files[path]!))) { wanted in
          let found = files[wanted] ?? files[String(wanted.split(separator: "/").last ?? "")]
          return found.flatMap { try? [UInt8](Data(contentsOf: $0)) }
        }
      }
    }

    private static func unpack(_ archive: String, to folder: URL) throws {
      let tar = Process()
      tar.executableURL = URL(filePath: "/usr/bin/env")
      tar.arguments = ["tar", "-xzf", archive, "-C", folder.path]
      try tar.run()
      tar.waitUntilExit()
      guard tar.terminationStatus == 0 else {
        throw CommandError.refused(
          code: "policy.bad_archive", message: "\(archive) is no archive that can be unpacked.",
          remedy: "Name a .tar.gz, or the folder of an unpacked one.")
      }
    }
  }
}
