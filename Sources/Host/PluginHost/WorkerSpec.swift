// PluginHost: starts sandboxed workers, one per operation at a time, speaks frames with them, and ends them when they
// break the protocol, hang or die. It never dlopens, and it decides nothing about what a plugin may do.

import Domain

/// Everything that is fixed when a worker is started.
package struct WorkerSpec: Sendable {
  package enum Role: String, Sendable {
    case source = "sluice.source/1"
    case executor = "sluice.executor/1"
  }
  package enum Sandbox: String, Sendable { case strict, degraded }
  package struct Identity: Sendable, Equatable {
    package let user: Int
    package let group: Int
    package init(user: Int, group: Int) {
      self.user = user
      self.group = group
    }
  }

  /// Paths of the worker's program and of the plugin's library.
  package var program: String
  package var plugin: String
  package var role: Role
  /// A descriptor's id; empty for the library's first.
  package var component = ""
  /// The instance's configuration, one JSON object.
  package var config: [UInt8] = Array("{}".utf8)
  package var extensions: [String] = []
  package var recordBytesMax = 256 << 10
  package var batchRecords = 64
  package var batchBytes = 64 << 10
  package var memoryBytes = 256 << 20
  /// Of each operation; 0: unlimited.
  package var cpuSeconds = 0
  package var threads = 0
  package var files = 64
  /// The control group that the worker joins. It is removed when the worker has ended.
  package var group: WorkerGroup?
  package var sandbox = Sandbox.strict
  /// Only when the host runs as root: the worker's own user and group.
  package var identity: Identity?
  package var graceMs = 2_000
  /// What the worker watches its plugin for, beyond what a host needs: for the conformance kit.
  package enum Checking: String, Sendable {
    /// Memory of the host is overwritten as soon as the plugin may no longer use it.
    case poison
    /// Arguments, threads and order of host calls.
    case calls
    /// Tables as of a later minor version.
    case newerHost = "newer-host"
    /// System calls that the sandbox refuses.
    case systemCalls = "system-calls"
    /// How many descriptors are open at the end of each operation.
    case descriptors
  }
  package var checking: [Checking] = []
  /// The call of each operation, from 1, that is answered as no header says, and not done; with 0 they are only counted.
  package var failAt: Int?
  /// By how much the machine's clock, as the C library tells it to the plugin, is set back: for the conformance kit alone.
  package var realTimeBackMs = 0
  /// How the codes of log lines begin in which the worker says what it found.
  package static let violationPrefix = "sluice.check."

  package init(program: String, plugin: String, role: Role) {
    self.program = program
    self.plugin = plugin
    self.role = role
  }

  /// Where a group counts memory itself, what is only reserved may be more: runtimes reserve much and use little.
  var addressBytes: Int { group?.countsMemory == true ? memoryBytes * 4 : memoryBytes }

  func arguments(parent: Int32) -> [String] {
    var arguments = ["--sandbox=\(sandbox.rawValue)", "--parent", "\(parent)"]
    arguments += ["--threads", "\(threads)", "--address-bytes", "\(addressBytes)", "--files", "\(files)"]
    if let group {
      for path in group.paths { arguments += ["--cgroup", path] }
      if group.countsThreads { arguments.append("--threads-counted") }
    }
    for what in checking { arguments += ["--check", what.rawValue] }
    if realTimeBackMs > 0 { arguments += ["--real-time-back", "\(realTimeBackMs)"] }
    if let failAt { arguments += ["--fail-at", "\(failAt)"] }
    if let identity { arguments += ["--uid", "\(identity.user)", "--gid", "\(identity.group)"] }
    return arguments + [plugin]
  }
}

/// What a worker said when it was ready.
package struct WorkerReady: Sendable, Equatable {
  package let abiMajor: Int
  package let abiMinor: Int
  package let protections: [String]
  package let missing: [String]
}

/// One operation to run.
package struct OperationStart: Sendable {
  package enum Kind: UInt32, Sendable {
    case check = 1
    case discover = 2
    case pull = 3
    case receive = 4
    case execute = 5
    case probe = 6
    case dryRun = 7
    case migrate = 8
  }
  package var kind: Kind
  /// The stream, action or delivery id.
  package var name = ""
  package var key = ""
  package var state: [UInt8] = []
  package var stateVersion = 0
  package var body: [UInt8] = []
  package var timeMs: Int64?
  /// Of a delivery: what the host kept of its request.
  package var method = ""
  package var query = ""
  package var headers: [(name: String, value: String)] = []
  package var deadlineMs = 60_000

  package init(kind: Kind) { self.kind = kind }
}

/// How an operation ended by the plugin's own word.
package struct OperationResult: Sendable, Equatable {
  package enum Status: Sendable, Equatable {
    case ok
    case config, auth, rateLimited, transient, permanent, bug, cancelled, unsupported
  }
  package let status: Status
  /// `SLUICE_OUTCOME_*` or `SLUICE_PROBE_*`; 0 for a source.
  package let outcome: Int
  package let retryAfterMs: Int64?
  package let records: UInt64
  package let code: String
  package let message: String
  package let json: [UInt8]
}

/// How a worker ended, or was ended, against its will.
package enum WorkerFailure: OperatorError, Equatable {
  case notStarted(SpawnReason)
  case loadFailed(step: String, errorNumber: Int, text: String)
  case configureRefused(message: String)
  case brokeProtocol(frame: String, fault: String, offset: Int)
  case exceededCredit(stream: String)
  case died(signal: Int?, exitCode: Int?, lastWords: String)
  /// It ran for the limit, was told to stop, and had not `afterMs` later.
  case hung(afterMs: Int, limitMs: Int)
  /// Idle, and yet a PING was not answered until the next was due.
  case unresponsive
  case overLimit(WorkerLimit)
  /// It died of a signal when little was left of its address space: that may be why, and need not.
  case maybeOutOfMemory(signal: Int, bytes: Int, lastWords: String)
  case stopped

  package struct SpawnReason: Sendable, Equatable {
    package let program: String
    package let reason: String
  }

  package var code: String {
    switch self {
    case .notStarted: "worker.not_started"
    case .loadFailed(let step, _, _): "worker.load_failed.\(step)"
    case .configureRefused: "worker.configure_refused"
    case .brokeProtocol: "worker.broke_protocol"
    case .exceededCredit: "worker.exceeded_credit"
    case .died: "worker.died"
    case .hung: "worker.hung"
    case .unresponsive: "worker.unresponsive"
    case .overLimit(let limit): "worker.over_limit.\(limit.name)"
    case .maybeOutOfMemory: "worker.maybe_over_limit.memory"
    case .stopped: "worker.stopped"
    }
  }
  package var message: String {
    switch self {
    case .notStarted(let spawn): "\(spawn.program) could not be started: \(spawn.reason)."
    case .loadFailed(let step, let number, let text):
      "The worker stopped at the step `\(step)`: \(text)" + (number == 0 ? "." : " (errno \(number)).")
    case .configureRefused(let message): "The plugin refused its configuration: \(message)."
    case .brokeProtocol(let frame, let fault, let offset):
      "The worker sent a \(frame) frame that is \(fault) at byte \(offset); it was ended."
    case .exceededCredit(let stream): "The worker sent records of \(stream) beyond its credit; it was ended."
    case .died(let signal?, _, let words):
      "The worker died of signal \(signal)\(signal == 31 ? ", a system call that its sandbox refuses" : "")."
        + Self.quoted(words)
    case .died(nil, let code, let words): "The worker ended with code \(code ?? 0).\(Self.quoted(words))"
    case .hung(let ms, let limit):
      "The operation did not stop \(ms) ms after its deadline, \(limit) ms; the worker was killed."
    case .unresponsive: "The worker had nothing to do and did not answer its host; it was killed."
    case .overLimit(let limit): "The worker needed more than its limit of \(limit.value) and was ended."
    case .maybeOutOfMemory(let signal, let bytes, let words):
      "The worker died of signal \(signal) with little left of its address space, \(WorkerLimit.memory(bytes: bytes).value): that may be why."
        + Self.quoted(words)
    case .stopped: "The host ended the worker."
    }
  }
  package var remedy: String {
    switch self {
    case .notStarted: "Build with `make build`: `sluice-worker` must stand beside `sluice`."
    case .loadFailed: "See docs/abi.md for the step; `sluice doctor` names what this kernel lacks."
    case .configureRefused: "Correct the instance's configuration and enable it again."
    case .brokeProtocol, .exceededCredit: "Report it to the plugin's author, with the host's log of that time."
    case .died: "Sluice starts it again with growing pauses; after six failures in a row the instance is parked."
    case .hung:
      "Raise `operation_timeout_ms` under `limits` of the instance, or in the plugin's manifest, if an operation's work is that long, and enable it again; else, and when it hung in loading or in its configuration, report it to the plugin's author."
    case .unresponsive:
      "Nothing to do: the next operation gets a new worker. If it comes again, report it to the plugin's author, whose library keeps its worker from listening between operations."
    case .overLimit(let limit):
      "Raise `\(limit.key)` under `limits` of the instance, or in the plugin's manifest, if the work needs it, and enable it again; else report it to the plugin's author."
    case .maybeOutOfMemory:
      "Raise `memory_bytes` under `limits` of the instance, or in the plugin's manifest, and see whether it still dies; if it does, report it to the plugin's author."
    case .stopped: "Nothing to do: the operation is run again from its checkpoint."
    }
  }

  private static func quoted(_ words: String) -> String {
    words.isEmpty ? "" : " It last said: \"\(words)\"."
  }
}
