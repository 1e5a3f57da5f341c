import SluiceKit

/// Where a pull stands, and what it may claim.
///
/// The CRM lists records in order of (day of change, id) and stamps every change with the current day. So a change of
/// today may sort *before* a cursor of today, and only days that were over when the pull began are complete. Hence:
/// - a pull that has caught up ends with a state of the day alone, and the next one starts that day again;
/// - that day is the smallest `as_of` of all pages since the pull began: if the day changes while paging, what was
///   still changed on the old day, behind the cursor, is read by the next pull;
/// - a pull that was interrupted goes on behind its last page, but carries its smallest `as_of` along.
struct Paging {
  static let stateVersion: UInt32 = 1

  /// What a page leads to.
  struct Step: Equatable {
    let isLast: Bool
    let state: [UInt8]
    /// The end of the smallest `as_of`, after the last page only.
    let watermarkMs: Int64?
  }

  private var day: Day?
  private var id: String?
  private var asOf: Day?
  /// Cursors of this pull. A list that comes back to one would never end.
  private var seen: Set<String> = []

  init(state: [UInt8]?, version: UInt32) throws {
    guard let state else { return }
    guard version == Self.stateVersion, let json = try? JSON(parsing: state),
      let day = json["day"]?.string.flatMap({ Day(iso: $0) })
    else { throw Failure.permanent("crm.bad_state", "The checkpoint is not one of this plugin's; reset it.") }
    self.day = day
    guard let id = json["id"]?.string else { return }
    self.id = id
    // A state without `as_of` was written by a person: claim no more than its own day.
    asOf = json["as_of"]?.string.flatMap { Day(iso: $0) } ?? day
    seen.insert(Self.name(day, id))
  }

  func query(limit: Int) -> [(name: String, value: String)] {
    var query = [(name: "limit", value: String(limit))]
    if let day { query.append(("updated_since", day.iso)) }
    if let id { query.append(("after_id", id)) }
    return query
  }

  /// Goes behind the page.
  /// - Throws: ``Failure`` of class permanent when the page leads back to where the pull has been.
  mutating func advance(past page: Page) throws -> Step {
    let asOf = min(self.asOf ?? page.asOf, page.asOf)
    self.asOf = asOf
    guard let next = page.next else {
      let state: JSON = ["day": .string(asOf.iso)]
      return Step(isLast: true, state: state.bytes, watermarkMs: asOf.endMs)
    }
    let name = Self.name(next.day, next.id)
    guard seen.insert(name).inserted else {
      throw Failure.permanent(
        "crm.endless_list", "The CRM's list leads back to the cursor \(name) again and again; report it to the CRM.")
    }
    (day, id) = (next.day, next.id)
    let state: JSON = ["day": .string(next.day.iso), "id": .string(next.id), "as_of": .string(asOf.iso)]
    return Step(isLast: false, state: state.bytes, watermarkMs: nil)
  }

  private static func name(_ day: Day, _ id: String) -> String { "\(day.iso)/\(id)" }
}
