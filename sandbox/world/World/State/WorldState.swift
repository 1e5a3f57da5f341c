/// The CRM's records on the current business day. It is a pure function of the pipeline, the edits and the writes.
package struct WorldState: Sendable {
  /// One new version of a record.
  package struct Change: Sendable, Equatable {
    package let stream: RecordStream
    package let record: Record
  }

  /// A close in the data that came too late: a write or an edit had closed or deleted the deal.
  package struct Superseded: Sendable, Equatable {
    package let day: BusinessDay
    package let deal: Pipeline.Opportunity
  }

  package struct MissedEdit: Sendable, Equatable {
    package let day: BusinessDay
    package let edit: Edit
    package let why: String
  }

  package let firstDay: BusinessDay
  package let lastDay: BusinessDay
  /// Everything up to and including this day is visible. Before the first step: the day before the first.
  package private(set) var day: BusinessDay
  package private(set) var superseded: [Superseded] = []
  package private(set) var missedEdits: [MissedEdit] = []
  package private(set) var editsApplied = 0

  private var tables: [RecordStream: RecordTable] = [:]
  private let pipeline: Pipeline
  /// Every product name that the data's deals use, aliases included.
  let writtenProducts: Set<String>
  private let edits: [BusinessDay: [Edit]]
  private var engaging: [BusinessDay: [Pipeline.Opportunity]] = [:]
  private var closing: [BusinessDay: [Pipeline.Opportunity]] = [:]

  /// - Precondition: the pipeline has an engaged opportunity.
  package init(pipeline: Pipeline, edits: [BusinessDay: [Edit]] = [:]) {
    guard let first = pipeline.firstDay, let last = pipeline.lastDay else {
      preconditionFailure("a pipeline without an engage date has no business time")
    }
    (firstDay, lastDay, day) = (first, last, first.later(by: -1))
    self.pipeline = pipeline
    writtenProducts = Set(pipeline.opportunities.map(\.product))
    self.edits = edits
    for deal in pipeline.opportunities.sorted(by: { $0.id < $1.id }) {
      if let engaged = deal.engaged { engaging[engaged, default: []].append(deal) }
      if let closed = deal.closed { closing[closed, default: []].append(deal) }
    }
  }

  package var businessDays: Int { lastDay.number - firstDay.number + 1 }
  package var isLastDay: Bool { day == lastDay }

  package func count(of stream: RecordStream) -> Int { tables[stream]?.count ?? 0 }
  package func versions(of stream: RecordStream) -> Int { tables[stream]?.versions ?? 0 }
  /// The newest version of each record of a stream.
  package func newestVersions(of stream: RecordStream) -> [String: Int] { tables[stream]?.newestVersions ?? [:] }
  package func record(_ stream: RecordStream, _ id: String) -> Record? { tables[stream]?[id] }
  package func live(_ stream: RecordStream) -> [Record] { tables[stream].map { Array($0.live) } ?? [] }

  package func page(_ stream: RecordStream, from start: PageStart, limit: Int) -> Page {
    tables[stream]?.page(from: start, limit: limit) ?? Page(items: [], next: nil)
  }

  /// Opens the next business day: first what the data says, then the edits of that day.
  ///
  /// - Precondition: the current day is not the last.
  package mutating func openNextDay() -> [Change] {
    precondition(day < lastDay, "no business day follows the last")
    day = day.later(by: 1)
    var changes = day == firstDay ? foundation() : []
    for deal in engaging[day] ?? [] {
      changes += apply(deal.id) { fields in
        fields = deal.openFields
        return true
      }
    }
    for deal in closing[day] ?? [] { changes += close(deal) }
    for edit in edits[day] ?? [] { changes += apply(edit) }
    return changes
  }

  /// Applies an edit now. One that fits nothing is kept in `missedEdits`.
  package mutating func apply(_ edit: Edit) -> [Change] {
    do {
      let change = try changed(by: edit)
      editsApplied += 1
      return [change]
    } catch {
      missedEdits.append(MissedEdit(day: day, edit: edit, why: error.description))
      return []
    }
  }

  /// Stores the next version of a record with these fields, changed today.
  @discardableResult
  mutating func put(_ stream: RecordStream, id: String, fields: [String: JSONValue], deleted: Bool = false) -> Change {
    let version = (record(stream, id)?.version ?? 0) + 1
    let record = Record(id: id, fields: fields, updatedAt: day, version: version, isDeleted: deleted)
    tables[stream, default: RecordTable()].put(record)
    return Change(stream: stream, record: record)
  }

  /// What exists on the first day without a date of its own.
  private mutating func foundation() -> [Change] {
    var slugs = Slugs()
    var changes: [Change] = []
    for account in pipeline.accounts {
      changes.append(put(.accounts, id: slugs.unique(account.name), fields: account.fields))
    }
    slugs = Slugs()
    for product in pipeline.products {
      changes.append(put(.products, id: slugs.unique(product.name), fields: product.fields))
    }
    slugs = Slugs()
    for rep in pipeline.reps { changes.append(put(.reps, id: slugs.unique(rep.name), fields: rep.fields)) }
    for deal in pipeline.opportunities.sorted(by: { $0.id < $1.id }) where deal.engaged == nil {
      changes.append(put(.opportunities, id: deal.id, fields: deal.openFields))
    }
    return changes
  }

  /// The data closes a deal: fields written since it appeared are kept, unless the deal is closed or gone already.
  private mutating func close(_ deal: Pipeline.Opportunity) -> [Change] {
    apply(deal.id) { fields in
      if let stage = fields["stage"]?.string.flatMap(Pipeline.Stage.init), stage.isClosed { return false }
      fields["stage"] = .string(deal.stage.rawValue)
      fields["close_date"] = .text(deal.closed?.slashed)
      fields["close_value"] = deal.closeValue
      return true
    } orElse: { world in
      world.superseded.append(Superseded(day: world.day, deal: deal))
    }
  }

  private mutating func apply(
    _ id: String, _ change: (inout [String: JSONValue]) -> Bool, orElse refused: (inout Self) -> Void = { _ in }
  ) -> [Change] {
    let old = record(.opportunities, id)
    var fields = old?.fields ?? [:]
    guard old?.isDeleted != true, change(&fields) else {
      refused(&self)
      return []
    }
    return [put(.opportunities, id: id, fields: fields)]
  }
}

/// Stable ids made of names: `Genco Pura Olive Oil Company` → `genco-pura-olive-oil-company`.
struct Slugs {
  private var taken: Set<String> = []

  mutating func unique(_ name: String) -> String {
    let words = name.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
    let slug = words.isEmpty ? "unnamed" : words.joined(separator: "-")
    var candidate = slug
    var repeats = 1
    while !taken.insert(candidate).inserted {
      repeats += 1
      candidate = "\(slug)-\(repeats)"
    }
    return candidate
  }
}
