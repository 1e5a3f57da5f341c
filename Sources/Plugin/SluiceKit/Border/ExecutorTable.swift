import CSluicePlugin

/// One executor instance behind the table that the host holds.
private final class ExecutorInstance {
  let executor: any Executor
  let host: TableHost
  let table: UnsafeMutablePointer<sluice_executor_t>

  init(_ executor: any Executor, host: TableHost) {
    self.executor = executor
    self.host = host
    table = .allocate(capacity: 1)
    table.initialize(
      to: sluice_executor_t(
        struct_size: structSize(sluice_executor_t.self), reserved: 0, plugin_data: nil, destroy: destroyExecutor,
        get_extension: { _, _ in nil }, check: checkExecutor, execute: execute, probe: probe, dry_run: dryRun))
    table.pointee.plugin_data = Unmanaged.passRetained(self).toOpaque()
  }

  deinit { table.deallocate() }

  static func of(_ table: UnsafePointer<sluice_executor_t>?) -> ExecutorInstance {
    Unmanaged<ExecutorInstance>.fromOpaque(table!.pointee.plugin_data).takeUnretainedValue()
  }
}

/// Makes the executor that the host names.
func createExecutor(
  _ host: UnsafePointer<sluice_host_t>?, _ id: UnsafePointer<sluice_slice_t>?,
  _ config: UnsafePointer<sluice_slice_t>?, _ out: UnsafeMutablePointer<UnsafePointer<sluice_executor_t>?>?
) -> sluice_status_t {
  guard let host, let id, let config, let out else { return Int32(SLUICE_E_BUG) }
  let table = TableHost(host)
  return table.answer {
    guard let type = Library.executors.first(where: { $0.descriptor.id == id.pointee.text }) else {
      throw Failure.config("plugin.unknown_id", "The library has no executor \"\(id.pointee.text)\".")
    }
    let executor = try type.make(config.pointee.bytes)
    out.pointee = UnsafePointer(ExecutorInstance(executor, host: table).table)
    return 0
  }
}

private func destroyExecutor(_ table: UnsafePointer<sluice_executor_t>?) {
  Unmanaged<ExecutorInstance>.fromOpaque(table!.pointee.plugin_data).release()
}

private func checkExecutor(_ table: UnsafePointer<sluice_executor_t>?) -> sluice_status_t {
  let this = ExecutorInstance.of(table)
  return this.host.answer {
    try this.executor.check(this.host)
    return 0
  }
}

private func execute(
  _ table: UnsafePointer<sluice_executor_t>?, _ action: UnsafePointer<sluice_action_t>?
) -> Int32 {
  let this = ExecutorInstance.of(table)
  return this.host.answer {
    switch try this.executor.execute(action!.pointee, this.host) {
    case .done(let result):
      // It is done, whether or not the host takes the words for it.
      try? this.host.setResult(result)
      return Int32(SLUICE_OUTCOME_DONE)
    case .rejected(let code, let message):
      this.host.state(code: code, message: message)
      return Int32(SLUICE_OUTCOME_REJECTED)
    case .retryAfter(let ms, let message):
      this.host.state(code: "plugin.retry_after", message: message, retryAfterMs: ms)
      return Int32(SLUICE_OUTCOME_RETRY_AFTER)
    case .unknown(let code, let message):
      this.host.state(code: code, message: message)
      return Int32(SLUICE_OUTCOME_UNKNOWN)
    }
  }
}

private func probe(_ table: UnsafePointer<sluice_executor_t>?, _ action: UnsafePointer<sluice_action_t>?) -> Int32 {
  let this = ExecutorInstance.of(table)
  return this.host.answer {
    switch try this.executor.probe(action!.pointee, this.host) {
    case .done(let result):
      try? this.host.setResult(result)
      return Int32(SLUICE_PROBE_DONE)
    case .absent: return Int32(SLUICE_PROBE_ABSENT)
    case .cannotTell(let message):
      this.host.state(code: "plugin.cannot_tell", message: message)
      return Int32(SLUICE_PROBE_CANNOT_TELL)
    }
  }
}

private func dryRun(_ table: UnsafePointer<sluice_executor_t>?, _ action: UnsafePointer<sluice_action_t>?) -> Int32 {
  let this = ExecutorInstance.of(table)
  return this.host.answer {
    switch try this.executor.dryRun(action!.pointee, this.host) {
    case .would(let result):
      try this.host.setResult(result)
      return Int32(SLUICE_OUTCOME_DONE)
    case .rejected(let code, let message):
      this.host.state(code: code, message: message)
      return Int32(SLUICE_OUTCOME_REJECTED)
    case .unsupported: return Int32(SLUICE_E_UNSUPPORTED)
    }
  }
}

// From the border's texts to the executor's own types. An action that nobody knows is refused before anything is sent.
extension Executor {
  fileprivate static func make(_ config: [UInt8]) throws -> any Executor {
    try Self(Configuration(configuration: config))
  }

  fileprivate func execute(_ raw: sluice_action_t, _ host: any Host) throws -> Outcome {
    guard let call = try Self.call(raw) else {
      return .rejected(code: Self.unknownAction, message: Self.unknown(raw))
    }
    return try execute(call, host: host)
  }

  fileprivate func probe(_ raw: sluice_action_t, _ host: any Host) throws -> ProbeAnswer {
    guard let call = try Self.call(raw) else { return .cannotTell(message: Self.unknown(raw)) }
    return try probe(call, host: host)
  }

  fileprivate func dryRun(_ raw: sluice_action_t, _ host: any Host) throws -> DryRunAnswer {
    guard let call = try Self.call(raw) else {
      return .rejected(code: Self.unknownAction, message: Self.unknown(raw))
    }
    return try dryRun(call, host: host)
  }

  private static var unknownAction: String { "\(descriptor.id).unknown_action" }
  private static func unknown(_ raw: sluice_action_t) -> String {
    let known = Action.allCases.map(\.rawValue).joined(separator: ", ")
    return "There is no action \"\(raw.name.text)\"; known are \(known)."
  }

  private static func call(_ raw: sluice_action_t) throws -> Call<Action>? {
    guard let action = Action(rawValue: raw.name.text) else { return nil }
    let input = raw.input.bytes
    do {
      return Call(action, input: input.isEmpty ? [:] : try JSON(parsing: input), key: raw.key.text)
    } catch let error as JSONError {
      // The host gives canonical arguments; nothing was sent.
      throw Failure.permanent("plugin.bad_input", "The action's arguments are no JSON: \(error).")
    }
  }
}
