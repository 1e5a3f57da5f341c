import Foundation
import Policy
import Testing

/// Cedar's integration tests, read from the folder of test data; they are no part of this project's tree.
private enum Corpus {
  static let folder: URL = {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let shared = ProcessInfo.processInfo.environment["SLUICE_SHARED"] ?? "../shared"
    return URL(filePath: shared, relativeTo: root).appending(path: "corpora/cedar")
  }()
  static let archive = folder.appending(path: "corpus-tests-part.tar.gz")
  static var isHere: Bool { FileManager.default.fileExists(atPath: archive.path) }

  static func files(under folder: URL) -> [String: URL] {
    let paths = FileManager.default.subpaths(atPath: folder.path) ?? []
    return Dictionary(uniqueKeysWithValues: paths.map { ($0, folder.appending(path: $0)) })
  }

  /// A test names its files by their place in the corpus; unpacked, they may lie in the folder itself.
  static func run(under folder: URL, into run: inout Cedar.CorpusRun) throws {
    let files = files(under: folder)
    for path in files.keys.sorted() where Cedar.CorpusRun.isTest(path: path) {
      let test = try [UInt8](Data(contentsOf: files[path]!))
      run.run(name: path, test: test) { wanted in
        let found = files[wanted] ?? files[String(wanted.split(separator: "/").last ?? "")]
        return found.flatMap { try? [UInt8](Data(contentsOf: $0)) }
      }
    }
  }
}

@Suite(.enabled(if: Corpus.isHere, "needs the Cedar corpus in $SLUICE_SHARED/corpora/cedar"))
struct `Cedar's own tests` {
  private func report(_ name: String, _ run: Cedar.CorpusRun) {
    print("Cedar \(name): \(run.summary)")
    for (construct, count) in run.unsupported.sorted(by: { $0.key < $1.key }) {
      print("  unsupported \(construct): \(count)")
    }
  }

  @Test func `written by hand agree in decision, reasons and errors`() throws {
    var run = Cedar.CorpusRun()
    try Corpus.run(under: Corpus.folder, into: &run)
    report("handwritten", run)
    #expect(run.failed == 0, "\(run.failures.joined(separator: "\n"))")
    #expect(run.passed > 70)
  }

  @Test func `that were generated agree in decision, reasons and errors`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "sluice-cedar-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let tar = Process()
    tar.executableURL = URL(filePath: "/usr/bin/env")
    tar.arguments = ["tar", "-xzf", Corpus.archive.path, "-C", folder.path]
    try tar.run()
    tar.waitUntilExit()
    try #require(tar.terminationStatus == 0)
    var run = Cedar.CorpusRun()
    try Corpus.run(under: folder, into: &run)
    report("generated", run)
    #expect(run.failed == 0, "\(run.failures.joined(separator: "\n"))")
    #expect(run.passed > 40_000)
  }
}
