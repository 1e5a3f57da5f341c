import CanonicalJSON
import Cryptography
import Dispatch
import Domain
import Foundation
import Synchronization
import Testing
import TrustLedger
import Vault

@testable import SluiceHost

/// Something that happens once, when a host comes by a crash point.
final class AtPoint: CrashInjector {
  private let point: CrashPoint
  private let action = Mutex<(@Sendable () async throws -> Void)?>(nil)
  init(_ point: CrashPoint) { self.point = point }
  func set(_ action: @escaping @Sendable () async throws -> Void) { self.action.withLock { $0 = action } }

  func reach(_ point: CrashPoint) {
    guard point == self.point else { return }
    let action = action.withLock { action in
      defer { action = nil }
      return action
    }
    guard let action else { return }
    // Whoever comes by waits on a thread of its own: of those that all share, none may be held.
    let done = DispatchSemaphore(value: 0)
    Task.detached {
      do { try await action() } catch { fatalError("at \(point): \(error)") }
      done.signal()
    }
    done.wait()
  }
}

/// A folder with data folders, their one host key and backups in it.
struct BackupBench {
  let folder = temporaryFolder()
  var key: String { folder + "/host.key" }
  func path(_ name: String) -> String { "\(folder)/\(name)" }

  func options(_ name: String = "data", crash: any CrashInjector = NoCrash()) -> RunningHost.Options {
    var options = RunningHost.Options(
      dataFolder: path(name), workerProgram: "/nowhere", pluginFolders: [], log: HostLog(write: { _ in }))
    options.hostKeyPath = key
    options.crash = crash
    return options
  }

  /// A host with the tenant `demo`.
  func host(_ name: String = "data", crash: any CrashInjector = NoCrash()) async throws -> RunningHost {
    let host = try await RunningHost(options(name, crash: crash))
    if await !host.tenantNames().contains(demo) { try await host.createTenant(demo) }
    return host
  }

  @discardableResult
  func ask(_ host: RunningHost, _ command: String, _ arguments: JSONValue) async throws -> JSONValue {
    try await HostCommand.named(command).run(
      .init(host: host, arguments: arguments, user: UserID(unchecked: "os-0")))
  }

  /// A stopped host's data folder `data` and its backup; `demo` has published something.
  func backUp(to name: String = "a.backup") async throws -> String {
    let host = try await host()
    try await order(host)
    try await ask(host, "backup.create", ["to": .string(path(name))])
    try await host.stop()
    return path(name)
  }

  /// An entry that is ledgered.
  func order(_ host: RunningHost, of tenant: String = "demo") async throws {
    try await ask(host, "kill", ["tenant": .string(tenant), "target": "all", "reason": "test"])
    try await ask(host, "ledger.publish", ["tenant": .string(tenant)])
  }

  /// How the restored tenant's log began.
  func restored(_ tenant: TenantID, in name: String = "restored") async throws -> EpochBeginning {
    let host = try await host(name)
    let beginning = try await host.opened(tenant).runtime.view { try LedgerStage.beginnings(in: $0) }.last
    try await host.stop()
    return try #require(beginning)
  }

  func restore(
    _ backup: String, to name: String = "restored", checkpoints: [String] = [], crash: any CrashInjector = NoCrash(),
    erasures: String? = nil
  ) async throws -> JSONValue {
    try await Restore.run(
      .init(
        backup: backup, options: options(name, crash: crash), erasures: erasures,
        checkpoints: try checkpoints.map { (file: $0, note: try OperatorFile.read($0)) }, mayAct: true,
        by: UserID(unchecked: "os-0")))
  }
}

/// The code with which something is refused; nil when it is not.
func refusal(_ body: () async throws -> Void) async throws -> String? {
  do {
    try await body()
    return nil
  } catch let error as any OperatorError { return error.code }
}

/// A backup's parts, to be changed by somebody who also writes the sums again.
struct BackupParts {
  var parts: [(path: String, bytes: [UInt8])] = []

  init(_ path: String) throws {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    var at = 0
    while let header = TarFile.read(Array(bytes[at..<(at + TarFile.blockBytes)])) {
      at += TarFile.blockBytes
      parts.append((header.path, Array(bytes[at..<(at + header.bytes)])))
      at += header.bytes + TarFile.padding(after: header.bytes)
    }
  }

  subscript(path: String) -> [UInt8]? {
    get { parts.first { $0.path == path }?.bytes }
    set {
      let place = parts.firstIndex { $0.path == path }
      switch (place, newValue) {
      case (let place?, let bytes?): parts[place].bytes = bytes
      case (let place?, nil): parts.remove(at: place)
      case (nil, let bytes?): parts.insert((path, bytes), at: 0)
      case (nil, nil): break
      }
    }
  }

  /// Writes the manifest's sums of all parts, and its own.
  /// - Parameter hostKey: With it, the code as well, which others cannot make.
  mutating func sumAgain(hostKey: [UInt8]? = nil) throws {
    var manifest = try JSONValue(parsing: self["manifest.json"]!).object!
    manifest["parts"] = .array(
      parts.filter { !$0.path.hasPrefix("manifest.") }.map {
        [
          "path": .string($0.path), "bytes": .integer(Int64($0.bytes.count)),
          "sha256": .string(SHA256.digest($0.bytes).hex),
        ]
      })
    self["manifest.json"] = JSONValue.object(manifest).canonicalBytes
    if let hostKey {
      let code = Vault.authenticationCode(for: self["manifest.json"]!, as: "backup manifest", hostKey: hostKey)
      self["manifest.mac"] = Array((code.hex + "\n").utf8)
    }
    self["manifest.sha256"] = Array(
      ["manifest.json", "manifest.mac"].map { "\(SHA256.digest(self[$0]!).hex)  \($0)\n" }.joined().utf8)
  }

  func write(_ path: String) throws {
    var bytes: [UInt8] = []
    for part in parts {
      bytes += TarFile.header(path: part.path, bytes: part.bytes.count)! + part.bytes
      bytes += [UInt8](repeating: 0, count: TarFile.padding(after: part.bytes.count))
    }
    bytes += [UInt8](repeating: 0, count: 2 * TarFile.blockBytes)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }
}
