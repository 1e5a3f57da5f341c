import CanonicalJSON
import ConnectorFabric
import Cryptography
import Domain
import Foundation
import Testing

@testable import SluiceHost

@Suite struct `A connector whose plugin is installed` {
  let bench = BackupBench()
  private static let library = Array("a library".utf8)

  private func install(in data: String = "data") throws {
    let folder = bench.path("\(data)/plugins/gauge/1.0.0")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(Self.library).write(to: URL(fileURLWithPath: folder + "/gauge.so"))
    try Self.manifest.write(toFile: folder + "/gauge.yaml", atomically: false, encoding: .utf8)
  }

  private static var manifest: String {
    """
    sluice: 1
    name: gauge
    version: 1.0.0
    summary: Measures.
    kind: source
    library: {file: gauge.so, sha256: \(SHA256.digest(library).hex), abi: 1}
    streams: [{name: readings, delivery: replayable}]
    schedule: {interval_ms: 60000}
    limits: {operation_timeout_ms: 2000, grace_ms: 200}
    """
  }

  private func folders(_ data: String) async throws -> [String?] {
    let host = try await bench.host(data)
    let rows = try await bench.ask(host, "connector.folders", [:]).array ?? []
    try await host.stop()
    return rows.map { $0["folder"]?.string }
  }

  @Test func `finds its library in the folder that is restored, and restore tells when it is not there`() async throws {
    let host = try await bench.host()
    try install()
    try await bench.ask(host, "connector.enable", ["tenant": "demo", "name": "gauge"])
    #expect(try await host.enablings(of: demo).map(\.folder) == ["data:plugins/gauge/1.0.0"])
    try await bench.ask(host, "backup.create", ["to": .string(bench.path("with"))])
    try FileManager.default.removeItem(atPath: bench.path("data/plugins"))
    try await bench.ask(host, "backup.create", ["to": .string(bench.path("without"))])
    try await host.stop()
    #expect(try await bench.restore(bench.path("with"))["missing_libraries"] == [])
    #expect(try await folders("restored") == [bench.path("restored/plugins/gauge/1.0.0")])
    let library = bench.path("restored/plugins/gauge/1.0.0/gauge.so")
    let rights = try FileManager.default.attributesOfItem(atPath: library)[.posixPermissions] as? Int
    #expect(rights == 0o755, "a worker opens it as another user")
    let row = try await bench.restore(bench.path("without"), to: "lacking")["missing_libraries"]?.array?.first
    #expect(row?["instance"] == "gauge" && row?["tenant"] == "demo")
    #expect(row?["library"]?.string == bench.path("lacking/plugins/gauge/1.0.0/gauge.so"))
  }

  @Test func `finds it there too when an earlier version has kept the whole path, unless that is another library`()
    async throws
  {
    let host = try await bench.host()
    try install()
    let document = try RunningHost.document(path: bench.path("data/plugins/gauge/1.0.0/gauge.yaml"))
    func enabling(_ folder: String) -> Enabling {
      Enabling(
        instance: InstanceID(rawValue: "gauge")!, source: "gauge.yaml", manifest: document.value, folder: folder)
    }
    try await host.enable(enabling("/lost/plugins/gauge/1.0.0"), for: demo, by: nil)
    try await bench.ask(host, "backup.create", ["to": .string(bench.path("a.backup"))])
    try await host.stop()
    #expect(try await bench.restore(bench.path("a.backup"))["missing_libraries"] == [])
    #expect(try await folders("restored") == [bench.path("restored/plugins/gauge/1.0.0")])
    try Data([1]).write(to: URL(fileURLWithPath: bench.path("restored/plugins/gauge/1.0.0/gauge.so")))
    #expect(try await folders("restored") == ["/lost/plugins/gauge/1.0.0"])
    #expect(PluginFolder.kept("/elsewhere/gauge", dataFolder: bench.path("data")) == "/elsewhere/gauge")
  }
}
