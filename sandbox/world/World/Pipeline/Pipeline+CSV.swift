package import Foundation

// The four files of an export: accounts, products, sales_teams, sales_pipeline.
extension Pipeline {
  /// - Throws: `SetupError` naming file, line and column.
  package init(folder: URL) throws {
    self.init(
      accounts: try Self.accounts(in: folder.appending(path: "accounts.csv")),
      products: try Self.products(in: folder.appending(path: "products.csv")),
      reps: try Self.reps(in: folder.appending(path: "sales_teams.csv")),
      opportunities: try Self.opportunities(in: folder.appending(path: "sales_pipeline.csv")))
    guard firstDay != nil else {
      throw SetupError("sales_pipeline.csv: no row has an engage_date, so business time has no first day")
    }
  }

  private static func accounts(in file: URL) throws -> [Account] {
    let columns = [
      "account", "sector", "year_established", "revenue", "employees", "office_location", "subsidiary_of",
    ]
    // Rows without a name are padding of the spreadsheet.
    let rows = try CSVTable(file: file, columns: columns).rows.filter { $0.text("account") != nil }
    try refuseRepeats(of: "account", in: rows)
    return try rows.map { row in
      Account(
        name: try row.required("account"), sector: row.text("sector"),
        yearEstablished: try row.numeric("year_established"), revenue: try row.numeric("revenue"),
        employees: try row.numeric("employees"), officeLocation: row.text("office_location"),
        parent: row.text("subsidiary_of"))
    }
  }

  private static func products(in file: URL) throws -> [Product] {
    let rows = try CSVTable(file: file, columns: ["product", "series", "sales_price"]).rows
    try refuseRepeats(of: "product", in: rows)
    return try rows.map { row in
      guard try row.numeric("sales_price") != .null else { throw row.wrong("sales_price", "must not be empty") }
      return Product(
        name: try row.required("product"), series: row.text("series"), salesPrice: try row.numeric("sales_price"))
    }
  }

  private static func reps(in file: URL) throws -> [Rep] {
    let rows = try CSVTable(file: file, columns: ["sales_agent", "manager", "regional_office"]).rows
    try refuseRepeats(of: "sales_agent", in: rows)
    return try rows.map { row in
      Rep(
        name: try row.required("sales_agent"), manager: row.text("manager"),
        regionalOffice: row.text("regional_office"))
    }
  }

  private static func opportunities(in file: URL) throws -> [Opportunity] {
    let columns = [
      "opportunity_id", "sales_agent", "product", "account", "deal_stage", "engage_date", "close_date", "close_value",
    ]
    let rows = try CSVTable(file: file, columns: columns).rows
    try refuseRepeats(of: "opportunity_id", in: rows)
    let read = try rows.map { ($0, try opportunity($0)) }
    let first = read.compactMap(\.1.engaged).min()
    for (row, opportunity) in read {
      if let first, let closed = opportunity.closed, closed < first {
        throw row.wrong("close_date", "\(closed.iso) lies before the first engage date \(first.iso)")
      }
    }
    return read.map(\.1)
  }

  private static func opportunity(_ row: CSVTable.Row) throws -> Opportunity {
    guard let stage = Stage(rawValue: try row.required("deal_stage")) else {
      throw row.wrong("deal_stage", "must be one of \(Stage.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    let read = Opportunity(
      id: try row.required("opportunity_id"), owner: try row.required("sales_agent"),
      product: try row.required("product"), account: row.text("account"), stage: stage,
      engaged: try row.day("engage_date"), closed: try row.day("close_date"),
      closeValue: try row.numeric("close_value"))
    if stage == .prospecting, read.engaged != nil { throw row.wrong("engage_date", "must be empty in Prospecting") }
    if stage == .engaging, read.engaged == nil { throw row.wrong("engage_date", "must not be empty in Engaging") }
    if stage.isClosed != (read.closed != nil) {
      throw row.wrong("close_date", "must \(stage.isClosed ? "not " : "")be empty in \(stage.rawValue)")
    }
    if let engaged = read.engaged, let closed = read.closed, closed < engaged {
      throw row.wrong("close_date", "\(closed.iso) lies before the engage date \(engaged.iso)")
    }
    return read
  }

  private static func refuseRepeats(of column: String, in rows: [CSVTable.Row]) throws {
    var lines: [String: Int] = [:]
    for row in rows {
      let name = try row.required(column)
      if let earlier = lines.updateValue(row.line, forKey: name) {
        throw row.wrong(column, "'\(name)' is already on line \(earlier)")
      }
    }
  }
}

extension Pipeline {
  /// Writes the four files, creating the folder.
  package func write(to folder: URL) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for (name, lines) in [
      ("accounts.csv", accountLines), ("products.csv", productLines), ("sales_teams.csv", repLines),
      ("sales_pipeline.csv", opportunityLines),
    ] {
      let text = lines.map { $0.map(Self.cell).joined(separator: ",") + "\n" }.joined()
      try Data(text.utf8).write(to: folder.appending(path: name))
    }
  }

  private var accountLines: [[String?]] {
    [["account", "sector", "year_established", "revenue", "employees", "office_location", "subsidiary_of"]]
      + accounts.map {
        [
          $0.name, $0.sector, Self.digits($0.yearEstablished), Self.digits($0.revenue), Self.digits($0.employees),
          $0.officeLocation, $0.parent,
        ]
      }
  }

  private var productLines: [[String?]] {
    [["product", "series", "sales_price"]] + products.map { [$0.name, $0.series, Self.digits($0.salesPrice)] }
  }

  private var repLines: [[String?]] {
    [["sales_agent", "manager", "regional_office"]] + reps.map { [$0.name, $0.manager, $0.regionalOffice] }
  }

  private var opportunityLines: [[String?]] {
    [["opportunity_id", "sales_agent", "product", "account", "deal_stage", "engage_date", "close_date", "close_value"]]
      + opportunities.map {
        [
          $0.id, $0.owner, $0.product, $0.account, $0.stage.rawValue, $0.engaged?.slashed, $0.closed?.slashed,
          Self.digits($0.closeValue),
        ]
      }
  }

  private static func digits(_ value: JSONValue) -> String? { value == .null ? nil : value.text }

  private static func cell(_ text: String?) -> String {
    guard let text else { return "" }
    guard text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }
}
