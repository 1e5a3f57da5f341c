import Foundation
import Testing
import World

@Suite struct `Business days` {
  @Test(arguments: [
    ("1/1/1970", "1970-01-01", 0), ("2/29/2016", "2016-02-29", 16_860), ("10/20/2016", "2016-10-20", 17_094),
    ("12/31/2017", "2017-12-31", 17_531), ("3/1/2000", "2000-03-01", 11_017),
  ])
  func `a date is the same day in both spellings`(slashed: String, iso: String, number: Int) throws {
    let day = try #require(BusinessDay(slashed: slashed))
    #expect(day == BusinessDay(iso: iso))
    #expect(day.number == number)
    #expect(day.iso == iso)
    #expect(day.slashed == slashed)
  }

  @Test(arguments: ["2/29/2017", "13/1/2017", "0/1/2017", "1/0/2017", "1/1/17", "+1/1/2017", "1/1", "", "a/b/cdef"])
  func `a day that no calendar has is refused`(text: String) {
    #expect(BusinessDay(slashed: text) == nil)
  }

  @Test func `every day of four centuries survives writing and reading`() {
    for number in 0..<146_097 {
      let day = BusinessDay(number: number)
      guard BusinessDay(slashed: day.slashed) == day else {
        Issue.record("day \(number) is written \(day.slashed)")
        return
      }
    }
  }
}

@Suite struct `Exports` {
  private static let good = [
    "accounts.csv":
      "account,sector,year_established,revenue,employees,office_location,subsidiary_of\nAcme,retail,1999,1.5,7,Kenya,\n",
    "products.csv": "product,series,sales_price\nWeir Pro,Weir,100\n",
    "sales_teams.csv": "sales_agent,manager,regional_office\nAda Bolt,Cem Carr,East\n",
    "sales_pipeline.csv":
      "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value\n"
      + "A1,Ada Bolt,WeirPro,Acme,Won,3/1/2024,3/3/2024,95\n",
  ]

  private func read(_ files: [String: String]) async throws -> Pipeline {
    try await withTemporaryFolder { folder in
      for (name, text) in files { try Data(text.utf8).write(to: folder.appending(path: name)) }
      return try Pipeline(folder: folder)
    }
  }

  @Test(arguments: ["\u{feff}", ""], ["\n", "\r\n"])
  func `a byte order mark and either line break are read`(mark: String, lineBreak: String) async throws {
    let pipeline = try await read(Self.good.mapValues { mark + $0.replacing("\n", with: lineBreak) })
    #expect(
      pipeline.accounts == [
        Pipeline.Account(
          name: "Acme", sector: "retail", yearEstablished: 1999, revenue: .number(1.5), employees: 7,
          officeLocation: "Kenya")
      ])
    #expect(pipeline.opportunities.map(\.closeValue) == [95])
  }

  @Test(arguments: [
    ("sales_pipeline.csv", "3/1/2024", "31/1/2024", "line 2, column engage_date: '31/1/2024' is not a date (m/d/Y)"),
    ("sales_pipeline.csv", "Won", "Gone", "line 2, column deal_stage: must be one of Prospecting, Engaging, Won, Lost"),
    ("sales_pipeline.csv", "3/3/2024", "", "line 2, column close_date: must not be empty in Won"),
    (
      "sales_pipeline.csv", "3/3/2024", "2/3/2024",
      "line 2, column close_date: 2024-02-03 lies before the engage date 2024-03-01"
    ),
    ("sales_pipeline.csv", ",95", ",many", "line 2, column close_value: 'many' is not a number"),
    ("sales_pipeline.csv", ",95", ",95,1", "line 2: 9 columns where 8 are expected"),
    ("sales_pipeline.csv", "A1", "\"A1", "line 2: 1 columns where 8 are expected; is a quote not closed?"),
    ("sales_pipeline.csv", "A1", "A\"1", "line 2: a quote stands in the middle of a cell"),
    ("products.csv", "sales_price", "price", "line 1: column sales_price is missing"),
    ("products.csv", ",100", ",", "line 2, column sales_price: must not be empty"),
    ("accounts.csv", "Acme,", "Acme,,,,,,\nAcme,", "line 3, column account: 'Acme' is already on line 2"),
  ])
  func `a malformed cell is named by file, line and column`(
    file: String, old: String, new: String, why: String
  ) async throws {
    var files = Self.good
    files[file] = files[file]?.replacing(old, with: new)
    let error = await #expect(throws: SetupError.self) { _ = try await read(files) }
    #expect(error?.description == "\(file) \(why)")
  }

  @Test func `a missing file is named`() async {
    var files = Self.good
    files["products.csv"] = nil
    let error = await #expect(throws: SetupError.self) { _ = try await read(files) }
    #expect(error?.description.hasPrefix("products.csv: no such file") == true)
  }
}

@Suite struct `Made-up pipelines` {
  @Test func `the same seed makes the same company, another seed another`() {
    let size = Pipeline.Size(opportunities: 300, days: 90)
    #expect(Pipeline.generated(seed: 7, size: size) == Pipeline.generated(seed: 7, size: size))
    #expect(Pipeline.generated(seed: 7, size: size) != Pipeline.generated(seed: 8, size: size))
  }

  @Test(arguments: [(2, 2), (300, 90), (8_800, 438)])
  func `one survives writing and reading, and lasts as long as asked`(opportunities: Int, days: Int) async throws {
    let made = Pipeline.generated(seed: 1, size: .init(opportunities: opportunities, days: days))
    let read = try await withTemporaryFolder { folder in
      try made.write(to: folder)
      return try Pipeline(folder: folder)
    }
    #expect(read == made)
    #expect(WorldState(pipeline: made).businessDays == days)
  }

  @Test func `one has all stages, deals without account, parents and a misspelled product`() {
    let made = Pipeline.generated(seed: 5)
    #expect(Set(made.opportunities.map(\.stage)) == Set(Pipeline.Stage.allCases))
    #expect(made.opportunities.contains { $0.account == nil })
    #expect(made.opportunities.allSatisfy { !$0.stage.isClosed || $0.account != nil })
    #expect(made.accounts.contains { $0.parent != nil })
    #expect(made.opportunities.contains { $0.product == "WeirPro" })
    #expect(!made.products.contains { $0.name == "WeirPro" })
  }

  @Test(
    .enabled(if: Shared.holds(Shared.oracle), "the oracle is absent: set SLUICE_SHARED"),
    arguments: [(2, 2), (500, 60), (8_800, 438)])
  func `the oracle reads one and counts the versions that the world makes`(opportunities: Int, days: Int) async throws {
    let made = Pipeline.generated(seed: 9, size: .init(opportunities: opportunities, days: days))
    let found = try await withTemporaryFolder { folder in
      try made.write(to: folder)
      return try runOracle(on: folder)
    }
    var world = WorldState(pipeline: made)
    while !world.isLastDay { _ = world.openNextDay() }
    #expect(found["opportunity_versions"] == .integer(world.versions(of: .opportunities)))
    #expect(found["business_days"] == .integer(days))
    #expect(found["first_day"] == .day(world.firstDay))
    #expect(found["last_day"] == .day(world.lastDay))
  }

  private func runOracle(on folder: URL) throws -> JSONValue {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["python3", Shared.oracle.path, folder.path]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return JSONValue(parsing: Array(output)) ?? .null
  }
}

@Suite(.enabled(if: Shared.holds(Shared.pipeline), "the public pipeline is absent: set SLUICE_SHARED"))
struct `The public pipeline` {
  @Test func `stepping through it takes 438 days and makes 15,511 opportunity versions`() throws {
    var world = WorldState(pipeline: try Pipeline(folder: Shared.pipeline))
    var days = 0
    var changes = 0
    while !world.isLastDay {
      changes += world.openNextDay().count { $0.stream == .opportunities }
      days += 1
    }
    #expect(days == 438)
    #expect(changes == 15_511)
    #expect(world.versions(of: .opportunities) == 15_511)
    #expect(RecordStream.allCases.map { world.count(of: $0) } == [85, 7, 35, 8_800])
    #expect(world.firstDay.iso == "2016-10-20")
    #expect(world.lastDay.iso == "2017-12-31")
  }

  @Test func `a client that follows the cursor day by day reads each version exactly once`() async throws {
    let harness = try await Harness(try Pipeline(folder: Shared.pipeline))
    var cursor: JSONValue?
    var seen: [String: Int] = [:]
    var versions = 0
    while true {
      for item in await harness.read("opportunities", from: cursor) {
        let id = try #require(item["id"]?.string)
        #expect(item["version"] == .integer(seen[id, default: 0] + 1))
        seen[id, default: 0] += 1
        versions += 1
        cursor = item
      }
      if await harness.nextDay()["finished"] == true { break }
    }
    #expect(versions == 15_511)
    #expect(seen.count == 8_800)
  }
}
