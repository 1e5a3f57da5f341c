import CSluicePlugin

/// One source instance behind the table that the host holds.
final class SourceInstance {
  let source: any Source
  let host: TableHost
  let table: UnsafeMutablePointer<sluice_source_t>

  init(_ source: any Source, host: TableHost) {
    self.source = source
    self.host = host
    table = .allocate(capacity: 1)
    table.initialize(
      to: sluice_source_t(
        struct_size: structSize(sluice_source_t.self), reserved: 0, plugin_data: nil, destroy: destroySource,
        get_extension: sourceExtension, check: checkSource, discover: discoverSource, pull: pullSource))
    table.pointee.plugin_data = Unmanaged.passRetained(self).toOpaque()
  }

  deinit { table.deallocate() }

  static func of(_ table: UnsafePointer<sluice_source_t>?) -> SourceInstance {
    Unmanaged<SourceInstance>.fromOpaque(table!.pointee.plugin_data).takeUnretainedValue()
  }
}

/// Makes the source that the host names.
func createSource(
  _ host: UnsafePointer<sluice_host_t>?, _ id: UnsafePointer<sluice_slice_t>?,
  _ config: UnsafePointer<sluice_slice_t>?, _ out: UnsafeMutablePointer<UnsafePointer<sluice_source_t>?>?
) -> sluice_status_t {
  guard let host, let id, let config, let out else { return Int32(SLUICE_E_BUG) }
  let table = TableHost(host)
  return table.answer {
    guard let type = Library.sources.first(where: { $0.descriptor.id == id.pointee.text }) else {
      throw Failure.config("plugin.unknown_id", "The library has no source \"\(id.pointee.text)\".")
    }
    let source = try type.make(config.pointee.bytes)
    out.pointee = UnsafePointer(SourceInstance(source, host: table).table)
    return 0
  }
}

private func destroySource(_ table: UnsafePointer<sluice_source_t>?) {
  Unmanaged<SourceInstance>.fromOpaque(table!.pointee.plugin_data).release()
}

private func checkSource(_ table: UnsafePointer<sluice_source_t>?) -> sluice_status_t {
  let this = SourceInstance.of(table)
  return this.host.answer {
    try this.source.check(this.host)
    return 0
  }
}

private func discoverSource(_ table: UnsafePointer<sluice_source_t>?) -> sluice_status_t {
  let this = SourceInstance.of(table)
  return this.host.answer {
    try this.host.setResult(try this.source.offers(this.host))
    return 0
  }
}

private func pullSource(
  _ table: UnsafePointer<sluice_source_t>?, _ pull: UnsafePointer<sluice_pull_t>?
) -> sluice_status_t {
  let this = SourceInstance.of(table)
  let raw = pull!.pointee
  return this.host.answer {
    let state = raw.state.bytes
    try this.source.pull(
      raw.stream.text, state: state.isEmpty ? nil : state, stateVersion: raw.state_version, host: this.host)
    return 0
  }
}

// From the border's texts to the source's own types.
extension Source {
  fileprivate static func make(_ config: [UInt8]) throws -> any Source {
    try Self(Configuration(configuration: config))
  }

  fileprivate func offers(_ host: any Host) throws -> JSON {
    .array(try discover(host).map { ["stream": .string($0.stream.rawValue), "schema": $0.schema] })
  }

  fileprivate func pull(_ name: String, state: [UInt8]?, stateVersion: UInt32, host: any Host) throws {
    try pull(Pull(Self.stream(name), state: state, stateVersion: stateVersion), host: host)
  }

  static func stream(_ name: String) throws -> Stream {
    guard let stream = Stream(rawValue: name) else {
      let known = Stream.allCases.map(\.rawValue).joined(separator: ", ")
      throw Failure.config(
        "\(descriptor.id).unknown_stream", "There is no stream \"\(name)\"; known are \(known).")
    }
    return stream
  }
}
