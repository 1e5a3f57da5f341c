import ArgumentParser
import Domain
import Foundation
import SluiceHost
import Synchronization

struct Up: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Run a host on a data folder until it is told to stop.")

  enum Sandbox: String, ExpressibleByArgument, CaseIterable { case strict, degraded }

  @OptionGroup var everywhere: Everywhere
  @Option(help: "The host's settings, a file like sluice.yaml. What the command line says goes before.")
  var config: String?
  @Option(help: "Where webhooks, API and console are served (default: 127.0.0.1:7070).")
  var listen: String?
  @Option(help: "Under which address others reach this host, such as https://sluice.example.com.")
  var publicUrl: String?
  @Option(
    name: .customLong("host"),
    help: "Another name under which pages, API and metrics may be asked for, with a port or without; may be repeated.")
  var hostNames: [String] = []
  @Option(help: "degraded: run although this kernel lacks a protection of the sandbox.")
  var sandbox: Sandbox?

  func run() async throws {
    let log = HostLog.standardError()
    var options = everywhere.hostOptions(log: log)
    options.settings = try config.map { try HostSettings.load($0) } ?? HostSettings()
    if let publicUrl {
      guard let url = HostSettings.publicURL(publicUrl) else {
        throw CommandError.refused(
          code: "command.bad_public_url", message: "\"\(publicUrl)\" is no address that senders can reach.",
          remedy: "Write it as \(HostSettings.publicURLForm).")
      }
      options.settings.publicURL = url
    }
    options.settings.hostNames += try hostNames.map { text in
      guard let name = HostSettings.hostName(text) else {
        throw CommandError.refused(
          code: "command.bad_host_name", message: "\"\(text)\" is no name of a host.",
          remedy: "Write it as \(HostSettings.hostNameForm).")
      }
      return name
    }
    if let sandbox { options.settings.isDegradedSandboxAllowed = sandbox == .degraded }
    options.crash = CrashByEnvironment.injector()
    let stop = StopSignals()
    let notice = ServiceNotice(environment: ProcessInfo.processInfo.environment)
    if let notice, FolderMigration.isNeeded(options) {
      options = try await notice.working { [options] in try await FolderMigration.run(options) }
    } else {
      options = try await FolderMigration.run(options)
    }
    let host = try await RunningHost(options)
    let control = try ControlServer.serving(host, as: Installation.operatorID)
    let listening = try Listening(
      address: listen ?? options.settings.listen ?? "127.0.0.1:7070", host: host)
    let address = try await listening.start()
    try await host.run()
    let limits = await host.enforcement?.name ?? ""
    log.info(
      "host.started", "The host runs.", ["data_dir": everywhere.dataDir, "address": address, "limits": limits])
    notice?.ready("Serving \(address)")
    if let notice { await host.giveSignsOfLife(notice) }
    await stop.wait()
    log.info("host.stopping", "The host drains and stops.")
    notice?.stopping()
    control.close()
    await listening.stop()
    try await host.stop()
    log.info("host.stopped", "Everything is durable.")
  }
}

/// Ends the process like `kill -9` at a named crash point: `SLUICE_CRASH_AT=journal.after_commit:17` dies at the 17th
/// visit. For tests of recovery; without the variable nothing happens.
enum CrashByEnvironment {
  static func injector() -> any CrashInjector {
    guard let text = ProcessInfo.processInfo.environment["SLUICE_CRASH_AT"] else { return NoCrash() }
    let parts = text.split(separator: ":")
    guard parts.count == 2, let point = CrashPoint(rawValue: String(parts[0])), let visit = Int(parts[1]) else {
      return NoCrash()
    }
    return Killer(point: point, visit: visit)
  }

  private final class Killer: CrashInjector {
    private let point: CrashPoint
    private let left: Counter
    init(point: CrashPoint, visit: Int) {
      self.point = point
      left = Counter(visit)
    }
    func reach(_ point: CrashPoint) { if point == self.point, left.countDown() { kill(getpid(), SIGKILL) } }
  }

  private final class Counter: Sendable {
    private let value: Mutex<Int>
    init(_ value: Int) { self.value = Mutex(value) }
    func countDown() -> Bool {
      value.withLock {
        $0 -= 1
        return $0 == 0
      }
    }
  }
}
