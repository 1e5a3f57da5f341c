import Domain

// Open deals of each owner, against the median of the owners who report to the same manager and have any.
extension Work {
  func addLoad(_ amount: Int, _ deal: Deal) throws {
    let key = RowKey.of(deal.ownerKey)
    var row = try rows.get(.load, key)?.object ?? [:]
    if row.isEmpty {
      row["team"] = .string(try team(deal.owner))
      row["owner"] = .string(deal.owner?.subjectID ?? "")
      row["name"] = .string(deal.owner?.text ?? "")
    }
    row["open"] = JSONValue(Int(row["open"]?.integer ?? 0) + amount)
    rows.set(.load, key, .object(row))
    hasLoadChanged = true
  }

  /// A rep's manager may change, or become known.
  func changeRep(_ subject: Subject, _ rep: Entity) throws {
    guard case .object(var row)? = try rows.get(.load, RowKey.of(subject.id)) else { return }
    row["team"] = .string(Self.team(rep))
    rows.set(.load, RowKey.of(subject.id), .object(row))
    hasLoadChanged = true
  }

  private func team(_ owner: Reference?) throws -> String {
    guard let id = owner?.id, let rep = try entity(Subject(type: EntityType.rep.rawValue, id: id)) else { return "~" }
    return Self.team(rep)
  }
  /// Reps without a manager are one team; owners nobody knows are another.
  private static func team(_ rep: Entity) -> String { "=" + (rep.fields["manager"]?.string ?? "") }

  func judgeLoad(isSilent: Bool) throws {
    let loads = try rows.scan(.load, prefix: "")
    var teams: [String: [Int]] = [:]
    for (_, row) in loads where row.int("open") > 0 {
      teams[row["team"]?.string ?? "~", default: []].append(row.int("open"))
    }
    for (key, row) in loads {
      let open = row.int("open")
      let doubled = Self.doubledMedian(teams[row["team"]?.string ?? "~"] ?? [])
      let isOverloaded = row["overloaded"]?.bool ?? false
      if !isOverloaded, open >= thresholds.loadOpenMin, open * 2000 > thresholds.loadFactorMilli * doubled {
        rows.set(.load, key, row.with("overloaded", true))
        if !isSilent { try sayOverloaded(row, open, doubled) }
      } else if isOverloaded, open < thresholds.loadOpenMin || open * 2000 <= thresholds.loadClearMilli * doubled {
        rows.set(.load, key, row.with("overloaded", false))
      }
    }
  }

  private func sayOverloaded(_ row: JSONValue, _ open: Int, _ doubledMedian: Int) throws {
    let id = row["owner"]?.string ?? ""
    let subject = Subject(type: EntityType.rep.rawValue, id: id)
    let evidence = try entity(subject).map { Evidence(stream: $0.stream, key: id, commitment: $0.commitment) }
    drafts.append(
      SignalDraft(
        .ownerOverloaded, subject, owner: id, evidence: evidence.map { [$0] } ?? [],
        facts: [
          "open_deals": JSONValue(open), "team_median_milli": JSONValue(doubledMedian * 500),
          "owner_name": row["name"] ?? .null,
        ]))
  }

  /// Twice the median, which is a whole number.
  private static func doubledMedian(_ values: [Int]) -> Int {
    guard !values.isEmpty else { return 0 }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count.isMultiple(of: 2) ? sorted[middle - 1] + sorted[middle] : 2 * sorted[middle]
  }
}

extension JSONValue {
  func with(_ key: String, _ value: JSONValue) -> JSONValue {
    var members = object ?? [:]
    members[key] = value
    return .object(members)
  }
}
