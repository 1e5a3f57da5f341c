import CSluicePlugin

// What only some sources can do. A source has the extension when its type has the protocol.

nonisolated(unsafe) private let webhookTable = constant(
  sluice_webhook_t(struct_size: structSize(sluice_webhook_t.self), reserved: 0, receive: receive))
nonisolated(unsafe) private let stateMigrateTable = constant(
  sluice_state_migrate_t(struct_size: structSize(sluice_state_migrate_t.self), reserved: 0, migrate: migrate))

/// `get_extension` of every source.
func sourceExtension(_ table: UnsafePointer<sluice_source_t>?, _ id: UnsafePointer<CChar>?) -> UnsafeRawPointer? {
  guard let id else { return nil }
  let source = SourceInstance.of(table).source
  switch String(cString: id) {
  case "sluice.webhook/1": return source is any WebhookSource ? UnsafeRawPointer(webhookTable) : nil
  case "sluice.state-migrate/1": return source is any StateMigrating ? UnsafeRawPointer(stateMigrateTable) : nil
  default: return nil
  }
}

private func receive(
  _ table: UnsafePointer<sluice_source_t>?, _ delivery: UnsafePointer<sluice_delivery_t>?
) -> sluice_status_t {
  let this = SourceInstance.of(table)
  guard let source = this.source as? any WebhookSource else { return Int32(SLUICE_E_BUG) }
  let raw = delivery!.pointee
  return this.host.answer {
    let headers = UnsafeBufferPointer(start: raw.headers, count: Int(raw.header_count)).map {
      HTTPHeader($0.name.text, $0.value.text)
    }
    let delivery = Delivery(
      id: raw.id.text, receivedAtMs: raw.received_at_ms, method: raw.method.text, path: raw.path.text,
      query: raw.query.text, headers: headers, body: raw.body.bytes)
    try source.receive(delivery, host: this.host)
    return 0
  }
}

private func migrate(
  _ table: UnsafePointer<sluice_source_t>?, _ old: UnsafePointer<sluice_old_state_t>?
) -> sluice_status_t {
  let this = SourceInstance.of(table)
  guard let source = this.source as? any StateMigrating else { return Int32(SLUICE_E_BUG) }
  let raw = old!.pointee
  return this.host.answer {
    try this.host.checkpoint(
      source.migrated(raw.stream.text, bytes: raw.state.bytes, version: raw.state_version))
    return 0
  }
}

extension StateMigrating {
  fileprivate func migrated(_ name: String, bytes: [UInt8], version: UInt32) throws -> Checkpoint {
    let new = try migrate(StoredState(stream: Self.stream(name), bytes: bytes, version: version))
    return Checkpoint(stream: new.stream, state: new.bytes, stateVersion: new.version)
  }
}
