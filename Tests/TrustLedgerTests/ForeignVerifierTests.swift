import Foundation
import Testing
import TrustLedger

/// The program in Tests/Foreign/tlog, built from Debian's golang-golang-x-mod-dev without a network.
private enum ForeignVerifier {
  static let source = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Foreign/tlog")

  static var isHere: Bool {
    FileManager.default.fileExists(atPath: "/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog")
      && (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
        FileManager.default.isExecutableFile(atPath: "\($0)/go")
      }
  }

  static func run(_ command: [String], in folder: URL, environment: [String: String] = [:]) throws -> (Int32, String) {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = command
    process.currentDirectoryURL = folder
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }

  static func build(into folder: URL) throws -> String {
    let program = folder.appending(path: "tlog").path
    let environment = [
      "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "CGO_ENABLED": "0",
      "GOCACHE": folder.appending(path: "cache").path,
    ]
    let (status, output) = try run(["go", "build", "-o", program, "main.go"], in: source, environment: environment)
    try #require(status == 0, "\(output)")
    return program
  }
}

@Suite struct `Somebody else's verifier` {
  @Test(
    .enabled(if: ForeignVerifier.isHere, "needs the packages golang-go and golang-golang-x-mod-dev"),
    .timeLimit(.minutes(3)))
  func `finds a log of 1,000 entries sound, and a flipped bit in it`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "sluice-tlog-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let program = try ForeignVerifier.build(into: folder)

    let log = try LogFolder(size: 1000, step: 173)
    var files = log.files
    files["log.vkey"] = Array("\(try LogFolder.vkey())\n".utf8)
    for (i, checkpoint) in log.checkpoints.enumerated() { files["checkpoint.\(i + 1)"] = checkpoint }
    let exported = folder.appending(path: "log")
    for (path, bytes) in files {
      let file = exported.appending(path: path)
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(bytes).write(to: file)
    }
    let (status, output) = try ForeignVerifier.run([program, exported.path], in: folder)
    print("golang.org/x/mod/sumdb: \(output)", terminator: "")
    #expect(status == 0)
    // Key and checkpoint 3, root 1, bundles 4, entries 1000; 6 checkpoints: 6 signatures, 5 pairs, 6 against the last.
    #expect(output == "1025 passed, 0 failed\n")

    for path in ["tile/0/002", "tile/entries/001", "checkpoint", "checkpoint.2"] {
      var bytes = files[path]!
      bytes[bytes.count / 2] ^= 1
      try Data(bytes).write(to: exported.appending(path: path))
      let (status, output) = try ForeignVerifier.run([program, exported.path], in: folder)
      #expect(status == 1, "\(path): \(output.suffix(200))")
      try Data(files[path]!).write(to: exported.appending(path: path))
    }
  }
}
