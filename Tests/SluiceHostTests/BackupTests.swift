import CanonicalJSON
import Cryptography
import Domain
import Foundation
import MemoryStorage
import SQLiteStorage
import Testing
import TrustLedger
import Vault

@testable import SluiceHost

@Suite struct `A backup` {
  let bench = BackupBench()

  @Test func `holds a tenant that was made while it was written, and a restore gives that one a log of its own`()
    async throws
  {
    let point = AtPoint(.backupBeforeParts)
    let host = try await bench.host(crash: point)
    try await bench.order(host)
    point.set {
      try await host.createTenant(TenantID(rawValue: "late")!)
      try await bench.order(host, of: "late")
    }
    try await bench.ask(host, "backup.create", ["to": .string(bench.path("a.backup"))])
    try await host.stop()
    let rows = try await bench.restore(bench.path("a.backup"))["tenants"]?.array ?? []
    #expect(rows.map { $0["tenant"]?.string } == ["demo", "late"])
    #expect(rows.allSatisfy { $0["log"]?.string?.contains("/epoch-2-") == true }, "\(rows)")
    let restored = try await bench.host("restored")
    #expect(await restored.tenantNames().map(\.rawValue) == ["demo", "late"])
    try await restored.stop()
  }

  @Test func `of another host under the same name does not touch one that has just been finished`() async throws {
    let point = AtPoint(.backupBeforeParts)
    let (slow, quick) = (try await bench.host("slow", crash: point), try await bench.host("quick"))
    let to = bench.path("a.backup")
    point.set {
      try await bench.ask(quick, "backup.create", ["to": .string(to)])
      try await quick.stop()
    }
    #expect(try await refusal { try await bench.ask(slow, "backup.create", ["to": .string(to)]) } == "backup.exists")
    try await slow.stop()
    #expect(try BackupReader.verify(to)["sound"]?.bool == true)
    let left = try FileManager.default.contentsOfDirectory(atPath: bench.folder).filter { $0.hasPrefix("a.backup") }
    #expect(left == ["a.backup"])
  }

  @Test func `is made in places of its own only: it follows no link that lies where it is to stand`() async throws {
    let host = try await bench.host()
    for end in [".part", ".making"] {
      try FileManager.default.createSymbolicLink(
        atPath: bench.path("a.backup\(end)"), withDestinationPath: bench.path("victim\(end)"))
    }
    try await bench.ask(host, "backup.create", ["to": .string(bench.path("a.backup"))])
    try await host.stop()
    for end in [".part", ".making"] {
      #expect(!FileManager.default.fileExists(atPath: bench.path("victim\(end)")))
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: bench.path("a.backup\(end)")) != "")
    }
  }

  @Test(arguments: AsideFile.Way.allCases)
  func `gets its name by a link, or where there are none by taking the name first, and never what is another's`(
    way: AsideFile.Way
  ) throws {
    let to = bench.path("a.backup")
    func names() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: bench.folder).filter { $0.hasPrefix("a.backup") }
    }
    let (first, second) = (try AsideFile(of: to), try AsideFile(of: to))
    try first.output.write([1, 2, 3])
    try first.giveName([way])
    #expect(try names().count == 2 && FileManager.default.contents(atPath: to) == Data([1, 2, 3]))
    #expect(throws: BackupError.exists(path: to)) { try second.giveName([way]) }
    #expect(throws: BackupError.exists(path: to)) { _ = try AsideFile(of: to) }
    second.remove()
    #expect(try names() == ["a.backup"] && FileManager.default.contents(atPath: to) == Data([1, 2, 3]))
    // Nor is a link followed, or an empty file taken for one that took the name.
    try FileManager.default.removeItem(atPath: to)
    let third = try AsideFile(of: to)
    try FileManager.default.createSymbolicLink(atPath: to, withDestinationPath: bench.path("victim"))
    #expect(throws: BackupError.exists(path: to)) { try third.giveName([way]) }
    #expect(!FileManager.default.fileExists(atPath: bench.path("victim")))
    unlink(to)
    #expect(FileManager.default.createFile(atPath: to, contents: Data()))
    #expect(throws: BackupError.exists(path: to)) { try third.giveName([way]) }
    #expect(FileManager.default.contents(atPath: to) == Data())
  }

  @Test func `is refused when somebody writes into the file that only took its name, and keeps what they wrote`() throws
  {
    struct Writing: CrashInjector {
      let to: String
      func reach(_ point: CrashPoint) {
        guard point == .backupAfterClaim else { return }
        #expect(FileManager.default.createFile(atPath: to, contents: Data("theirs".utf8)))
      }
    }
    let to = bench.path("a.backup")
    let aside = try AsideFile(of: to)
    #expect(throws: BackupError.exists(path: to)) { try aside.giveName([.claim], crash: Writing(to: to)) }
    #expect(FileManager.default.contents(atPath: to) == Data("theirs".utf8))
  }

  @Test func `is made over a name that a dead host took, and over nothing that only looks like it`() throws {
    let to = bench.path("a.backup")
    let making = ["0123456789abcdef", "fedcba9876543210"].map { "a.backup.\($0).making" }
    func leave(_ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: to)) }
    let claim = "This name is taken for \(making[0])\n"
    for other in ["", String(claim.dropLast()), claim + "and more", "This name is taken for \(making[1])\n"] {
      #expect(FileManager.default.createFile(atPath: bench.path(making[0]), contents: Data([1])))
      try leave(other)
      #expect(throws: BackupError.exists(path: to)) { _ = try AsideFile(of: to) }
      #expect(FileManager.default.contents(atPath: to) == Data(other.utf8))
    }
    // Whose maker lives keeps its name.
    #expect(FileManager.default.createFile(atPath: bench.path(making[0]), contents: Data([1])))
    let maker = open(bench.path(making[0]), O_RDONLY | O_CLOEXEC)
    #expect(flock(maker, LOCK_EX) == 0)
    try leave(claim)
    #expect(throws: BackupError.exists(path: to)) { _ = try AsideFile(of: to) }
    #expect(FileManager.default.contents(atPath: to) == Data(claim.utf8))
    close(maker)
    let next = try AsideFile(of: to)
    #expect(!FileManager.default.fileExists(atPath: to))
    try next.output.write([4])
    try next.giveName()
    #expect(try FileManager.default.contentsOfDirectory(atPath: bench.folder) == ["a.backup"])
  }

  @Test func `copies a database into a file that only its owner reads, and into none that is there`() async throws {
    let host = try await bench.host()
    let (keystore, journal) = (await host.keystore, host.journal)
    _ = try keystore.copy(to: bench.path("copy"))
    _ = try journal.copySegment(1, to: bench.path("segment"))
    for name in ["copy", "segment"] {
      let rights = try FileManager.default.attributesOfItem(atPath: bench.path(name))[.posixPermissions] as? Int
      #expect(rights == 0o600, "\(name)")
    }
    try FileManager.default.createSymbolicLink(
      atPath: bench.path("link"), withDestinationPath: bench.path("victim"))
    #expect(try await refusal { _ = try keystore.copy(to: bench.path("link")) } == "storage.unusable_file")
    #expect(!FileManager.default.fileExists(atPath: bench.path("victim")))
    try await host.stop()
  }

  @Test func `finds copies that a killed host left, and removes them at its start`() async throws {
    try await bench.host().stop()
    let left = bench.path("data/staging")
    try FileManager.default.createDirectory(atPath: left, withIntermediateDirectories: true)
    #expect(FileManager.default.createFile(atPath: left + "/1.db", contents: Data([1])))
    try await bench.host().stop()
    #expect(!FileManager.default.fileExists(atPath: left))
  }

  @Test func `holds the plugins that were installed, and those who are trusted, and nothing half installed`()
    async throws
  {
    let host = try await bench.host()
    let files = [
      "gauge/1.0.0/gauge.yaml", "gauge/1.0.0/gauge.so", "gauge/1.0.0/signer", "gauge/1.1.0/gauge.so", ".trusted",
    ]
    for file in files + ["gauge/.new-1/gauge.so"] {
      let path = bench.path("data/plugins/\(file)")
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try Data(file.utf8).write(to: URL(fileURLWithPath: path))
    }
    try await bench.ask(host, "backup.create", ["to": .string(bench.path("a.backup"))])
    try await host.stop()
    _ = try await bench.restore(bench.path("a.backup"))
    for file in files {
      let path = bench.path("restored/plugins/\(file)")
      #expect(FileManager.default.contents(atPath: path) == Data(file.utf8), "\(file)")
    }
    #expect(!FileManager.default.fileExists(atPath: bench.path("restored/plugins/gauge/.new-1")))
  }

  @Test func `of another size than a part may have is refused before it is read`() throws {
    #expect(TarFile.read(TarFile.header(path: "x", bytes: -0o7777777777)!) == nil)
    for path in ["manifest.json", "manifest.sha256", "erasures"] {
      let end = [UInt8](repeating: 0, count: 2 * TarFile.blockBytes)
      try Data(TarFile.header(path: path, bytes: 8 << 30 - 1)! + end).write(to: URL(fileURLWithPath: bench.path("big")))
      #expect {
        try BackupReader.verify(bench.path("big"))
      } throws: {
        guard case .partDiffers(_, path, let reason)? = $0 as? BackupError else { return false }
        return reason.contains("large")
      }
    }
  }
}

@Suite struct `The list of erasures` {
  let bench = BackupBench()

  @Test func `keeps a name from being used again`() async throws {
    try await bench.host().stop()
    let list = #"{"format":1,"erased":[{"tenant":"gone","erasedAtMs":1764000000000,"by":"os-0"}]}"#
    try Data(list.utf8).write(to: URL(fileURLWithPath: bench.path("data/erasures")))
    let host = try await bench.host()
    #expect(try await refusal { try await host.createTenant(TenantID(rawValue: "gone")!) } == "tenant.erased")
    #expect(try await host.keystore.names(withPrefix: "key/gone/") == [])
    try await host.stop()
  }

  @Test func `leaves nothing of a tenant in the keystore, whatever kind of row it is`() throws {
    let keystore: any Keystore = MemoryKeystore()
    let vault = try Vault(
      hostKey: [UInt8](repeating: 7, count: 32), keystore: keystore, random: { [UInt8](repeating: 9, count: $0) })
    let (tenant, other) = (demo, TenantID(rawValue: "demo2")!)
    for tenant in [tenant, other] {
      try vault.prepare(.tenant(tenant))
      let instance = InstanceID(rawValue: "crm")!
      try vault.put(Array("secret".utf8), tenant: tenant, instance: instance, slot: "api")
      try vault.keepRenewal(
        Array("renewed".utf8), of: try vault.secret(tenant: tenant, instance: instance, slot: "api"), tenant: tenant,
        instance: instance, slot: "api")
      try keystore.set("hook/\(tenant)/crm", [1])
    }
    try TenantKeys.destroy(tenant, in: keystore)
    let left = try keystore.names(withPrefix: "")
    #expect(left.filter { $0.contains("/demo/") } == [])
    #expect(left.filter { $0.contains("/demo2/") }.count == 6, "\(left)")
  }

  @Test func `lies beside the host key, however that is named`() {
    var options = bench.options()
    options.hostKeyPath = "a.hostkey"
    #expect(options.hostKeyPath == FileManager.default.currentDirectoryPath + "/a.hostkey")
    options.hostKeyPath = "-"
    #expect(options.hostKeyPath == "-")
  }
}
