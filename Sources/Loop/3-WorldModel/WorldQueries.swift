import CanonicalJSON
package import Domain

/// Answers about the world. Reads, and changes nothing.
package struct WorldQueries {
  private let view: any StateView

  package init(_ view: any StateView) { self.view = view }

  /// A node as it was believed; nil when it was not known or gone.
  package func node(_ type: String, _ id: String, _ asOf: AsOf = AsOf()) throws -> NodeView? {
    // The last version is the answer, unless it holds only from a later day on.
    try versions(type, id, asOf, countMax: asOf.day == nil ? 1 : .max).first.flatMap { $0 }
  }

  /// The version of a node that a piece of evidence made; nil when it made none.
  package func version(madeBy evidence: EvidenceID) throws -> NodeView? {
    for type in Self.recordTypes {
      let made = try versions(type, evidence.key, AsOf(), countMax: .max).lazy.compactMap(\.self)
      if let found = made.first(where: { $0.evidence == evidence }) { return found }
    }
    return nil
  }

  /// The types whose nodes bear their record's key.
  private static let recordTypes = ["opportunity", "account", "product", "rep"]

  /// What was believed of a node, latest first, at most `countMax`; nil where it was gone.
  private func versions(_ type: String, _ id: String, _ asOf: AsOf, countMax: Int) throws -> [NodeView?] {
    let prefix = RowKey.prefix(type, id)
    let until = asOf.position.map { prefix + RowKey.number($0.number + 1) } ?? prefixEnd(prefix)
    let rows = try view.scan(.node, from: prefix, until: until, reversed: true, countMax: countMax)
    return rows.compactMap { key, row -> NodeView?? in
      let position = UInt64(RowKey.parts(key)[2]) ?? 0
      guard let day = row["valid_from"]?.string.flatMap({ BusinessDay($0) }), asOf.sees(day, position) else {
        return nil
      }
      guard let fields = row["fields"]?.object, let evidence = Self.evidence(row["evidence"]) else { return .some(nil) }
      return NodeView(
        type: type, id: id, fields: fields, validFrom: day, position: Position(position),
        sourceVersion: row["version"]?.string ?? "", evidence: evidence,
        permit: row["permit"]?.string.flatMap { Digest(hex: $0) })
    }
  }

  /// The nodes that were linked to this one. The edge finds them; whether it stood then, the node itself says.
  package func linked(to target: Subject, by relation: Relation, _ asOf: AsOf = AsOf()) throws -> [NodeView] {
    let rows = try view.scan(.edge, prefix: RowKey.prefix(target.type, target.id, relation.rawValue))
    var sources: [Subject] = []
    for (key, _) in rows {
      let parts = RowKey.parts(key)
      let source = Subject(type: parts[3], id: parts[4])
      if sources.last != source { sources.append(source) }
    }
    return try sources.compactMap { source in
      guard let node = try node(source.type, source.id, asOf) else { return nil }
      return Self.links(node, relation, target.id) ? node : nil
    }
  }

  private static func links(_ node: NodeView, _ relation: Relation, _ target: String) -> Bool {
    switch relation {
    case .ownedBy: node.reference("owner")?.id == target
    case .forAccount: node.reference("account")?.id == target
    case .ofProduct: node.reference("product")?.id == target
    case .subsidiaryOf: node.reference("parent")?.id == target
    case .worksFor, .memberOf, .ledBy: node.fields["manager"]?.string == target
    }
  }

  /// The entity that goes by this key or name, and why it was taken for it.
  package func find(
    _ type: String, named text: String, _ asOf: AsOf = AsOf()
  ) throws -> (node: NodeView, matchedBy: Reference.Reason) {
    let rows = try view.scan(.name, prefix: RowKey.prefix(type, Reference.normalized(text)))
    let nodes = try rows.compactMap { try node(type, RowKey.parts($0.0)[2], asOf) }
    let normalized = Reference.normalized(text)
    func isCalledSo(_ node: NodeView) -> Bool {
      Reference.normalized(node.name) == normalized || Reference.normalized(node.id) == normalized
    }
    // A name that it got only later is none that it had.
    let former = try nodes.filter {
      try versions(type, $0.id, asOf, countMax: .max).contains { $0.map(isCalledSo) ?? false }
    }
    let groups: [(Reference.Reason, [NodeView])] = [
      (.key, nodes.filter { $0.id == text }), (.name, nodes.filter { $0.name == text }),
      (.normalizedName, nodes.filter(isCalledSo)), (.formerName, former),
    ]
    for (reason, hits) in groups where !hits.isEmpty {
      guard hits.count == 1 else {
        throw WorldError.ambiguous(type: type, name: text, candidates: hits.map(\.id).sorted())
      }
      return (hits[0], reason)
    }
    throw WorldError.unknown(type: type, name: text)
  }

  package func account(named text: String, _ asOf: AsOf = AsOf()) throws -> AccountView {
    let (account, reason) = try find("account", named: text, asOf)
    let subject = Subject(type: "account", id: account.id)
    let deals = try linked(to: subject, by: .forAccount, asOf).map { try deal($0, asOf) }.sorted { $0.id < $1.id }
    let open = deals.filter { $0.stage != "won" && $0.stage != "lost" }
    let won = deals.filter { $0.stage == "won" }
    let notices = try self.notices(of: subject, asOf)
    let owners = Dictionary(open.compactMap(\.owner).map { ($0.id, $0) }) { first, _ in first }
    return AccountView(
      matchedBy: reason.rawValue, account: account, parent: account.reference("parent")?.view,
      subsidiaries: try linked(to: subject, by: .subsidiaryOf, asOf).map(Self.link), openDeals: open, wonDeals: won,
      lostDeals: deals.filter { $0.stage == "lost" }, openListCents: open.reduce(0) { $0 + ($1.listCents ?? 0) },
      wonCents: won.reduce(0) { $0 + ($1.valueCents ?? 0) },
      owners: owners.values.sorted { $0.id < $1.id }, risks: notices.risks, events: notices.events, asOf: asOf)
  }

  private func deal(_ node: NodeView, _ asOf: AsOf) throws -> DealView {
    func day(_ name: String) -> BusinessDay? { node.fields[name]?.string.flatMap { BusinessDay($0) } }
    let product = node.reference("product")
    let owner = node.reference("owner")
    return DealView(
      id: node.id, stage: node.fields["stage"]?.string ?? "", product: product?.id ?? product?.text,
      owner: owner.map { LinkView(type: "rep", id: $0.id ?? $0.text, name: $0.text) },
      engagedOn: day("engaged_on"), closedOn: day("closed_on"), expectedCloseOn: day("expected_close_on"),
      valueCents: node.fields["value"]?.integer,
      listCents: try product?.id.flatMap { try self.node("product", $0, asOf)?.fields["list_price"]?.integer },
      sourceVersion: node.sourceVersion, evidence: node.evidence)
  }

  /// Risks that had not ended, and events, latest first.
  private func notices(of subject: Subject, _ asOf: AsOf) throws -> (risks: [NoticeView], events: [NoticeView]) {
    var risks: [NoticeView] = []
    var events: [NoticeView] = []
    for (_, row) in try view.scan(.notice, prefix: RowKey.prefix(subject.type, subject.id)).reversed() {
      guard let notice = Self.notice(row, asOf) else { continue }
      if row["type"]?.string == "event" { events.append(notice) } else if notice.endedOn == nil { risks.append(notice) }
    }
    return (risks, events)
  }

  private static func notice(_ row: JSONValue, _ asOf: AsOf) -> NoticeView? {
    guard let id = row["id"]?.string.flatMap({ Digest(hex: $0) }), let kind = row["kind"]?.string,
      let type = row["subject"]?["type"]?.string, let subject = row["subject"]?["id"]?.string,
      let day = row["day"]?.string.flatMap({ BusinessDay($0) }), asOf.sees(day, UInt64(row["position"]?.integer ?? 0))
    else { return nil }
    let ended = row["ended"]?["day"]?.string.flatMap { BusinessDay($0) }
    let isEnded = ended.map { asOf.sees($0, UInt64(row["ended"]?["position"]?.integer ?? 0)) } ?? false
    return NoticeView(
      signal: id, kind: kind, subject: Subject(type: type, id: subject), day: day, endedOn: isEnded ? ended : nil,
      facts: row["facts"]?.object ?? [:], evidence: (row["evidence"]?.array ?? []).compactMap { evidence($0) })
  }

  private static func link(_ node: NodeView) -> LinkView { LinkView(type: node.type, id: node.id, name: node.name) }

  private static func evidence(_ json: JSONValue?) -> EvidenceID? {
    guard let stream = json?["stream"]?.string, let key = json?["key"]?.string,
      let commitment = json?["commitment"]?.string.flatMap({ Digest(hex: $0) })
    else { return nil }
    return EvidenceID(stream: StreamName(unchecked: stream), key: key, commitment: commitment)
  }
}
