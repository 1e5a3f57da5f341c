package import Domain

/// The world as decisions may know it: what is believed by the entries applied so far.
package struct WorldFacts: WorldReading {
  private let view: any StateView
  private let queries: WorldQueries

  package init(_ view: any StateView) {
    self.view = view
    queries = WorldQueries(view)
  }

  package func deal(_ id: String) throws -> DealFacts? { try queries.node("opportunity", id).flatMap(facts) }

  package func openDeals(ownedBy rep: String) throws -> [DealFacts] {
    try deals(.openDeal, rep, countMax: .max).compactMap { try deal($0) }
  }

  package func deals(productWrittenAs text: String, countMax: Int) throws -> [DealFacts] {
    try deals(.writtenProduct, text, countMax: countMax).compactMap { try deal($0) }
  }

  package func rep(_ id: String) throws -> RepFacts? {
    guard let node = try queries.node("rep", id) else { return nil }
    return RepFacts(
      id: id, name: node.fields["name"]?.string ?? id, manager: node.fields["manager"]?.string ?? "",
      openDealCount: try deals(.openDeal, id, countMax: .max).count, evidence: node.evidence)
  }

  package func rep(called text: String) throws -> RepFacts? {
    let found: (node: NodeView, matchedBy: Reference.Reason)
    do { found = try queries.find("rep", named: text) } catch is WorldError { return nil }
    return found.matchedBy == .key || found.matchedBy == .name ? try rep(found.node.id) : nil
  }

  package func reps(managedBy manager: String) throws -> [RepFacts] {
    try queries.linked(to: Subject(type: "manager", id: manager), by: .worksFor).compactMap { try rep($0.id) }
      .sorted { $0.id < $1.id }
  }

  package func account(_ id: String) throws -> AccountFacts? {
    guard let node = try queries.node("account", id) else { return nil }
    let rows = try view.scan(.bought, prefix: RowKey.prefix(id))
    return AccountFacts(
      id: id, name: node.fields["name"]?.string ?? id, parentID: node.reference("parent")?.id,
      boughtProductIDs: Set(rows.map { RowKey.parts($0.0)[1] }), evidence: node.evidence)
  }

  package func group(of account: String) throws -> [AccountFacts] {
    guard let own = try self.account(account) else { return [] }
    let head = own.parentID ?? account
    let members = try queries.linked(to: Subject(type: "account", id: head), by: .subsidiaryOf).map(\.id)
    return try Set(members + [head]).subtracting([account]).sorted().compactMap { try self.account($0) }
  }

  package func product(_ id: String) throws -> ProductFacts? {
    guard let node = try queries.node("product", id), let price = node.fields["list_price"]?.integer else { return nil }
    return ProductFacts(
      id: id, name: node.fields["name"]?.string ?? id, listPriceCents: price, evidence: node.evidence)
  }

  private func deals(_ space: Space, _ key: String, countMax: Int) throws -> [String] {
    let prefix = RowKey.prefix(key)
    return try view.scan(space, prefix: prefix, countMax: countMax).map { RowKey.parts($0.0).last ?? "" }
  }

  private func facts(_ node: NodeView) throws -> DealFacts? {
    func day(_ key: String) -> BusinessDay? { node.fields[key]?.string.flatMap { BusinessDay($0) } }
    let (owner, product, account) = (node.reference("owner"), node.reference("product"), node.reference("account"))
    guard let stage = node.fields["stage"]?.string.flatMap(DealFacts.Stage.init) else { return nil }
    return DealFacts(
      id: node.id, stage: stage, ownerID: owner?.id, ownerName: owner?.text ?? "", productID: product?.id,
      productText: product?.text ?? "", accountID: account?.id, accountName: account?.text,
      engagedOn: day("engaged_on"), closedOn: day("closed_on"), valueCents: node.fields["value"]?.integer,
      version: node.sourceVersion,
      writtenVersion: try OwnVersions.ahead(of: node.sourceVersion, node.type, node.id, in: view),
      evidence: node.evidence)
  }
}
