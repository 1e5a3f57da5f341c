import Domain
import Foundation

/// A small folder of exports full of what real ones rarely hold: names in quotes, unknown products and accounts, an
/// owner nobody lists, reps without a manager, deals closed on the day they were engaged, values just at a limit.
struct EdgeCases {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// SplitMix64: the same numbers everywhere.
  private mutating func below(_ limit: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Int((z ^ (z >> 31)) % UInt64(limit))
  }
  private mutating func one(of values: [String]) -> String { values[below(values.count)] }

  mutating func write(to folder: URL) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    func put(_ name: String, _ lines: [String]) throws {
      try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: folder.appending(path: name))
    }
    try put(
      "accounts.csv",
      [
        "account,sector,year_established,revenue,employees,office_location,subsidiary_of",
        "A & Co,x,1990,1.5,10,US,Zed", "\"Zed, Inc\",x,1991,2,20,US,", "Bolt,x,1991,2,20,US,\"Zed, Inc\"", ",,,,,,",
      ])
    try put("products.csv", ["product,series,sales_price", "GTX Pro,GTX,100", "Gtx  pro2,GTX,55", "MG,MG,999.5"])
    let reps = (0..<10).map { "R\($0)" }
    try put(
      "sales_teams.csv",
      ["sales_agent,manager,regional_office"]
        + reps.enumerated().map { "\($1),\($0 < 5 ? "M1" : $0 < 8 ? "M2" : ""),West" })
    let start = BusinessDay("2020-02-01")!
    try put(
      "sales_pipeline.csv",
      ["opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value"]
        + (0..<1500).map { deal($0, reps, start) })
  }

  private mutating func deal(_ number: Int, _ reps: [String], _ start: BusinessDay) -> String {
    let names = [
      one(of: reps + ["Ghost", "R0", "R0", "R0", "R0"]),
      number == 0 ? "GTXPro" : one(of: ["GTX Pro", "GTXPro", "gtx pro", "MG", "Nope", "Gtx pro2", "MG"]),
      one(of: ["A & Co", "\"Zed, Inc\"", "Bolt", "Bolt", "", "Unlisted"]),
    ]
    let head = (["O\(10_000 + number)"] + names).joined(separator: ",")
    let engaged = start.advanced(byDays: number == 0 ? 0 : max(below(150), below(150)))
    let kind = number == 0 ? 99 : below(100)
    if kind < 5 { return head + ",Prospecting,,," }
    if kind < 40 { return head + ",Engaging,\(slashed(engaged)),," }
    let closed = engaged.advanced(byDays: [0, 1, 5, 9, 20, 20, 30][below(7)])
    guard kind.isMultiple(of: 2) else { return head + ",Lost,\(slashed(engaged)),\(slashed(closed)),0" }
    let value = one(of: ["80", "79", "100", "44", "43", "0", "", "799", "800"])
    return head + ",Won,\(slashed(engaged)),\(slashed(closed)),\(value)"
  }

  private func slashed(_ day: BusinessDay) -> String {
    let (year, month, day) = day.civil
    return "\(month)/\(day)/\(year)"
  }
}
