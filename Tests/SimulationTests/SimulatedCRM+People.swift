import Domain

/// What the CRM's users do, by chance: the history of a seed is the same however and whenever it is delivered.
extension SimulatedCRM {
  static let reps = ["Ann Lee", "Bo Ray", "Cy Fox", "Di Orr", "Ed Poe"]
  static let products = ["GTX Pro", "MG Special", "GTX Basic"]
  /// As people type them; the last stands for nothing.
  static let aliases = ["GTXPro", "gtx pro", "MG  special", "Mystery"]
  static let accounts = ["Isdom", "Acme Corp", "Zed Inc", "Bolt", "Cancity"]

  func found() {
    for (index, name) in Self.accounts.enumerated() {
      put("accounts", "a\(index)", account(name, parent: index % 2 == 1 ? Self.accounts[index - 1] : nil))
    }
    for (index, name) in Self.products.enumerated() {
      put(
        "products", "p\(index)",
        ["name": .string(name), "series": "S", "sales_price": .integer([5_500, 550, 60][index])])
    }
    for (index, name) in Self.reps.enumerated() {
      put("reps", "r\(index)", ["name": .string(name), "manager": index < 3 ? "Mel Max" : "Kai Low"])
    }
    for number in 0..<32 { engage(daysAgo: chance.within(0...60), number) }
    // What closed before gives rates to judge by.
    for deal in deals.prefix(14) { close(deal, isWon: chance.percent(40)) }
  }

  /// One edit of somebody.
  func edit() {
    let edits: [(weight: Int, (SimulatedCRM, String) -> Void)] = [
      (16, { crm, _ in crm.engage(daysAgo: crm.chance.within(0...20), crm.deals.count) }),
      (14, { crm, deal in crm.close(deal, isWon: crm.chance.percent(70)) }),
      (6, { crm, deal in crm.put("opportunities", deal, ["owner": .string(crm.chance.one(of: Self.reps))]) }),
      (5, { crm, deal in crm.swing(deal) }),
      (6, { crm, deal in crm.put("opportunities", deal, ["close_value": crm.value()]) }),
      (6, { crm, deal in crm.put("opportunities", deal, ["expected_close_date": crm.date(in: 0...60)]) }),
      (9, { crm, deal in crm.put("opportunities", deal, ["product": .string(crm.chance.one(of: Self.aliases))]) }),
      (3, { crm, deal in crm.put("opportunities", deal, ["account": .null]) }),
      (3, { crm, deal in crm.delete(deal) }),
      (2, { crm, deal in crm.put("opportunities", deal, ["stage": "Weird"]) }),
      (3, { crm, deal in crm.put("opportunities", deal, ["stage": "Engaging", "close_date": .null]) }),
      (4, { crm, deal in crm.put("opportunities", deal, [:]) }),
      (2, { crm, _ in crm.renameAccount() }),
      (1, { crm, _ in crm.put("products", "p1", ["sales_price": .integer(Int64(crm.chance.within(400...900)))]) }),
      (1, { crm, _ in crm.put("reps", "r\(crm.chance.below(5))", ["manager": "Kai Low"]) }),
    ]
    let deal = chance.one(of: deals)
    chance.weighted(edits)(self, deal)
  }

  private func engage(daysAgo: Int, _ number: Int) {
    let isLead = chance.percent(10)
    var fields: [String: JSONValue] = [
      "owner": .string(chance.percent(50) ? Self.reps[0] : chance.one(of: Self.reps)),
      "product": .string(chance.percent(12) ? chance.one(of: Self.aliases) : chance.one(of: Self.products)),
      "account": chance.percent(16) ? .null : .string(chance.one(of: Self.accounts)),
      "stage": isLead ? "Prospecting" : "Engaging", "close_date": .null, "close_value": value(),
    ]
    fields["engage_date"] = isLead ? .null : date(in: (-daysAgo)...(-daysAgo))
    let digits = String(number)
    put("opportunities", "D" + String(repeating: "0", count: 4 - digits.count) + digits, fields)
  }

  private func close(_ deal: String, isWon: Bool) {
    guard let record = records[deal], !record.isDeleted else { return }
    var fields: [String: JSONValue] = ["stage": isWon ? "Won" : "Lost", "close_date": date(in: 0...0)]
    if !isWon { fields["close_value"] = 0 }
    put("opportunities", deal, fields)
  }

  /// To something else and back within a moment: nothing has changed, and two versions say so.
  private func swing(_ deal: String) {
    guard let owner = records[deal]?.fields["owner"] else { return }
    put("opportunities", deal, ["owner": .string(chance.one(of: Self.reps))])
    put("opportunities", deal, ["owner": owner])
  }

  private func renameAccount() {
    let index = chance.below(Self.accounts.count)
    put("accounts", "a\(index)", account(Self.accounts[index] + chance.one(of: ["", " Group"]), parent: nil))
  }

  private func account(_ name: String, parent: String?) -> [String: JSONValue] {
    ["name": .string(name), "sector": "x", "subsidiary_of": parent.map { .string($0) } ?? .null]
  }
  private func value() -> JSONValue { chance.percent(10) ? .null : .integer(Int64(chance.within(30...7_000))) }

  /// A date around today, as the CRM writes it.
  private func date(in days: ClosedRange<Int>) -> JSONValue {
    let (year, month, day) = today.advanced(byDays: chance.within(days)).civil
    return .string("\(month)/\(day)/\(year)")
  }
}
