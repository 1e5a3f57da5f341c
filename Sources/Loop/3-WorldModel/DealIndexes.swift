import Domain

extension Space {
  /// rep/deal → the deals that a rep has open now.
  static let openDeal = Space("world.open_deal")
  /// text/deal → how a deal's product is written now.
  static let writtenProduct = Space("world.written_product")
  /// account/product/deal → what an account has won.
  static let bought = Space("world.bought")
}

/// What decisions ask often, so that no answer reads every deal: kept as of now only.
extension Graph {
  func keepDealIndexes(_ change: EntityChange) throws {
    let id = change.subject.id
    try move(.openDeal, id, from: Self.openOwner(change.before), to: Self.openOwner(change.after))
    try move(.writtenProduct, id, from: Self.written(change.before), to: Self.written(change.after))
    try move(.bought, id, from: Self.purchase(change.before), to: Self.purchase(change.after))
  }

  /// - Parameters old, new: The beginning of the row's key; nil when there is no row.
  private func move(_ space: Space, _ deal: String, from old: String?, to new: String?) throws {
    guard old != new else { return }
    if let old { try state.remove(space, old + RowKey.of(deal)) }
    if let new { try state.set(space, new + RowKey.of(deal), true) }
  }

  private static func openOwner(_ fields: [String: JSONValue]?) -> String? {
    guard fields?["stage"]?.string == "engaging" else { return nil }
    return fields?["owner"].flatMap(Reference.init)?.id.map { RowKey.prefix($0) }
  }

  private static func product(_ fields: [String: JSONValue]?) -> Reference? {
    fields?["product"].flatMap(Reference.init)
  }

  private static func written(_ fields: [String: JSONValue]?) -> String? {
    product(fields).map { RowKey.prefix($0.text) }
  }

  private static func purchase(_ fields: [String: JSONValue]?) -> String? {
    guard fields?["stage"]?.string == "won", let product = product(fields)?.id,
      let account = fields?["account"].flatMap(Reference.init)?.id
    else { return nil }
    return RowKey.prefix(account, product)
  }
}
