import CanonicalJSON
import Domain
import Foundation
import SluiceHost

extension Everywhere {
  /// Asks the running host, or opens the folder when none runs, and prints the answer.
  ///
  /// Arguments that are nil are left out.
  /// - Returns: The answer that was printed.
  @discardableResult
  func ask(_ command: String, _ arguments: [String: JSONValue?] = [:]) async throws -> JSONValue {
    var all = arguments.compactMapValues(\.self)
    if all["tenant"] == nil { all["tenant"] = .string(tenant) }
    let answer = try await answer(command, .object(all))
    print(Printer.text(answer, asJSON: json), terminator: "")
    return answer
  }

  func answer(_ command: String, _ arguments: JSONValue) async throws -> JSONValue {
    let known = try HostCommand.named(command)
    try CommandArgument.checkNumbers(arguments)
    let untilMs = SystemSources.monotonicMs() + Self.waitForFolderMs
    while true {
      do { return try await answerOnce(known, arguments) } catch DataFolderError.inUse
        where SystemSources.monotonicMs() < untilMs
      {
        // Another command has the folder open, or a host is starting on it: either will soon be over.
        try await Task.sleep(for: .milliseconds(50))
      }
    }
  }

  /// How long a command waits for another one that has the folder of a stopped host open.
  private static let waitForFolderMs: Int64 = 10_000

  /// - Throws: `DataFolderError.inUse` before anything was asked.
  private func answerOnce(_ known: HostCommand, _ arguments: JSONValue) async throws -> JSONValue {
    let socket = dataDir + "/control.sock"
    if let reply = try ControlClient.ask(path: socket, command: known.name, arguments: arguments) { return reply }
    var options = hostOptions(log: HostLog.standardError(least: .warning))
    // To ask a folder that nobody has made is a slip of the keyboard; it leaves nothing behind.
    options.mayMakeFolder = known.name == "tenant.create"
    options.crash = CrashByEnvironment.injector()
    let host = try await RunningHost(options)
    do {
      let result = try await known.run(.init(host: host, arguments: arguments, user: Installation.operatorID))
      try await host.stop()
      return result
    } catch {
      try? await host.stop()
      throw error
    }
  }

  func hostOptions(log: HostLog) -> RunningHost.Options {
    var options = Installation.options(dataFolder: dataDir, log: log)
    if let hostKey { options.hostKeyPath = hostKey }
    return options
  }
}

/// Where this program's companions stand.
enum Installation {
  /// Who asks through the host's own socket or its own folder: the operating system's user.
  static let operatorID = UserID(rawValue: "os-\(geteuid())")!

  static func options(dataFolder: String, log: HostLog) -> RunningHost.Options {
    let here = (executable as NSString).deletingLastPathComponent
    let folders = ["\(here)/plugins", "\(here)/../lib/sluice/plugins"].filter {
      FileManager.default.fileExists(atPath: $0)
    }
    let worker = ["\(here)/sluice-worker", "\(here)/../libexec/sluice-worker"].first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
    return RunningHost.Options(
      dataFolder: dataFolder, workerProgram: worker ?? "\(here)/sluice-worker",
      pluginFolders: folders.isEmpty ? ["\(here)/plugins"] : folders, log: log)
  }

  /// What `plugin new` copies from.
  static var sdk: String {
    let here = (executable as NSString).deletingLastPathComponent
    let installed = "\(here)/../lib/sluice/sdk"
    return FileManager.default.fileExists(atPath: installed) ? installed : "\(here)/sdk"
  }

  /// Manifests that came with the programs.
  static func bundledManifests() -> [String] {
    options(dataFolder: ".", log: .init(write: { _ in })).pluginFolders.flatMap { folder in
      ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
        .filter { $0.hasSuffix(".yaml") && !$0.hasSuffix(".check.yaml") && !$0.hasSuffix(".parts.yaml") }
        .map { "\(folder)/\($0)" }
    }
  }

  static let executable =
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
}
