import CanonicalJSON
import ConnectorFabric
import Cryptography
import Domain
import Foundation
import Testing

@testable import SluiceHost

let built =
  ProcessInfo.processInfo.environment["SLUICE_C_BUILD"] ?? FileManager.default.currentDirectoryPath + "/.build/c"
let demo = TenantID(rawValue: "demo")!

func temporaryFolder() -> String {
  let path = NSTemporaryDirectory() + "sluice-host-\(UUID().uuidString)"
  try! FileManager.default.createDirectory(
    atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  return path
}

func options(_ folder: String) -> RunningHost.Options {
  RunningHost.Options(
    dataFolder: folder + "/data", workerProgram: built + "/sluice-worker", pluginFolders: [built + "/plugins"],
    log: HostLog(write: { _ in }))
}

func counter(_ config: JSONValue, file: String = "plugins/counter.so", as instance: String = "counter") throws
  -> Enabling
{
  let library = built + "/" + file
  let hash = SHA256.digest([UInt8](try #require(FileManager.default.contents(atPath: library))))
  let manifest: JSONValue = [
    "sluice": 1, "name": "counter", "version": "1.0.0", "summary": "Counts.", "kind": "source",
    "library": ["file": .string((file as NSString).lastPathComponent), "sha256": .string(hash.hex), "abi": 1],
    "streams": [["name": "counters", "delivery": "replayable"]], "schedule": ["interval_ms": 50],
    "limits": ["operation_timeout_ms": 2000, "grace_ms": 200],
  ]
  return Enabling(
    instance: InstanceID(rawValue: instance)!, source: "counter.yaml", manifest: manifest,
    folder: (library as NSString).deletingLastPathComponent, config: config)
}

/// The keys of every record in the tenant's journal, with how often each is there.
func journaledKeys(_ host: RunningHost) async throws -> [String: Int] {
  var keys: [String: Int] = [:]
  for entry in try await host.journalEntries(demo) where entry.kind == .intake {
    for record in try IntakeBatch.decode(entry.body).records { keys[record.key, default: 0] += 1 }
  }
  return keys
}

@Suite(
  .enabled(if: FileManager.default.fileExists(atPath: built + "/sluice-worker"), "run `make c-worker c-plugins` first"))
struct `Intake` {
  @Test(.timeLimit(.minutes(1)))
  func `of a connector that is paused in mid-pull rests when the pull has ended, not when the next one is due`()
    async throws
  {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let host = try await RunningHost(options(folder))
    try await host.createTenant(demo)
    try await host.run()
    var enabling = try counter(["records": 50_000, "payload_bytes": 200])
    enabling.schedule = ["interval_ms": 86_400_000]
    try await host.enable(enabling, for: demo, by: nil)
    try await host.whenSpawned(atLeast: 1)
    try await host.pause(enabling.instance, reason: "a look", for: demo, by: nil)
    let instance = try await host.instance(demo, enabling.instance)
    await instance.whenPaused()
    #expect(await instance.state == .paused(reason: "a look"))
    try await host.stop()
  }

  @Test func `brings every record of a source into the journal once and goes on after a restart`() async throws {
    let folder = temporaryFolder()
    var host = try await RunningHost(options(folder))
    try await host.createTenant(demo)
    try await host.run()
    try await host.enable(try counter(["records": 5000, "payload_bytes": 200]), for: demo, by: nil)
    try await host.whenPulled(demo, InstanceID(rawValue: "counter")!, rounds: 2)
    try await host.stop()

    host = try await RunningHost(options(folder))
    #expect(try await journaledKeys(host).count == 5000)
    #expect(try await journaledKeys(host).values.allSatisfy { $0 == 1 })
    try await host.enable(try counter(["records": 7000, "payload_bytes": 200]), for: demo, by: nil)
    try await host.run()
    try await host.whenPulled(demo, InstanceID(rawValue: "counter")!, rounds: 1)
    let keys = try await journaledKeys(host)
    #expect(keys.count == 7000)
    #expect(keys.values.allSatisfy { $0 == 1 })
    try await host.stop()
  }

  @Test func `loses nothing when the worker is killed again and again`() async throws {
    let host = try await RunningHost(options(temporaryFolder()))
    try await host.createTenant(demo)
    try await host.run()
    try await host.enable(try counter(["records": 20000, "payload_bytes": 500, "batch": 100]), for: demo, by: nil)
    for _ in 0..<4 {
      try await host.whenSpawned(atLeast: 1)
      for id in await host.workerProcessIDs() { kill(id, SIGKILL) }
    }
    try await host.whenPulled(demo, InstanceID(rawValue: "counter")!, rounds: 1)
    let keys = try await journaledKeys(host)
    #expect(keys.count == 20000)
    try await host.stop()
  }

  @Test func `parks a plugin that keeps dying, with the reason, and its neighbour goes on`() async throws {
    let host = try await RunningHost(options(temporaryFolder()))
    try await host.createTenant(demo)
    try await host.run()
    try await host.enable(
      try counter(["attack": "segfault"], file: "tests/hostile.so", as: "bad"), for: demo, by: nil)
    try await host.enable(try counter(["records": 100]), for: demo, by: nil)
    try await host.whenPulled(demo, InstanceID(rawValue: "counter")!, rounds: 1)
    let reason = try await host.instance(demo, InstanceID(rawValue: "bad")!).whenStuck()
    #expect(reason.contains("signal 11"))
    try await host.stop()
  }

  @Test func `refuses a library that its manifest does not name byte for byte`() async throws {
    let host = try await RunningHost(options(temporaryFolder()))
    try await host.createTenant(demo)
    try await host.run()
    var enabling = try counter([:])
    guard case .object(var manifest) = enabling.manifest else { return }
    manifest["library"] = [
      "file": "counter.so", "sha256": .string(String(repeating: "0", count: 64)), "abi": 1,
    ]
    enabling.manifest = .object(manifest)
    try await host.enable(enabling, for: demo, by: nil)
    let reason = try await host.whenStuck(demo, enabling.instance)
    #expect(reason.contains("its manifest says 0000"))
    try await host.stop()
  }
}
