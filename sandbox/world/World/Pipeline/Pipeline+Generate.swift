extension Pipeline {
  /// How large a made-up company is. The defaults have the shape of the public data set.
  package struct Size: Sendable {
    package var opportunities = 8_800
    package var days = 438
    package var accounts = 85
    package var reps = 35
    package init(opportunities: Int = 8_800, days: Int = 438) {
      self.opportunities = opportunities
      self.days = days
    }
  }

  /// A made-up company. The same seed and size make the same company.
  ///
  /// - Precondition: at least two opportunities and two days.
  package static func generated(seed: UInt64, size: Size = Size()) -> Pipeline {
    precondition(size.opportunities >= 2 && size.days >= 2, "a pipeline needs two opportunities and two days")
    var chance = Chance(seed: seed, about: "pipeline")
    let products = Self.catalogue
    let accounts = accounts(size.accounts, &chance)
    let reps = reps(size.reps, &chance)
    var maker = DealMaker(size: size, accounts: accounts, products: products, reps: reps, chance: chance)
    return Pipeline(accounts: accounts, products: products, reps: reps, opportunities: maker.deals())
  }

  private static let catalogue = [
    Product(name: "Weir Basic", series: "Weir", salesPrice: 550),
    Product(name: "Weir Pro", series: "Weir", salesPrice: 4_821),
    Product(name: "Lock Special", series: "Lock", salesPrice: 55),
    Product(name: "Lock Advanced", series: "Lock", salesPrice: 3_393),
    Product(name: "Weir Plus Pro", series: "Weir", salesPrice: 5_482),
    Product(name: "Weir Plus Basic", series: "Weir", salesPrice: 1_096),
    Product(name: "Penstock 500", series: "Penstock", salesPrice: 26_768),
  ]

  private static func accounts(_ count: Int, _ chance: inout Chance) -> [Account] {
    let sectors = ["retail", "technolgy", "medical", "marketing", "finance", "software", "services", "employment"]
    let places = ["United States", "United States", "United States", "Kenya", "Philipines", "Japan", "Germany"]
    var accounts: [Account] = []
    var names = NameMaker(firsts: NameMaker.accountFirsts, lasts: NameMaker.accountLasts, joined: "")
    for index in 0..<count {
      var account = Account(name: names.next(&chance))
      account.sector = chance.one(of: sectors)
      account.yearEstablished = .integer(1979 + chance.index(below: 39))
      account.revenue = .number(Double(450 + chance.index(below: 1_170_000)) / 100)
      account.employees = .integer(9 + chance.index(below: 34_000))
      account.officeLocation = chance.one(of: places)
      // A parent is one of the accounts before it that has no parent itself, so the tree has no cycle.
      let parents = accounts.filter { $0.parent == nil }.prefix(7)
      if index > 7, chance.share() < 0.18 { account.parent = chance.one(of: Array(parents)).name }
      accounts.append(account)
    }
    return accounts
  }

  private static func reps(_ count: Int, _ chance: inout Chance) -> [Rep] {
    let offices = ["Central", "East", "West"]
    var names = NameMaker(firsts: NameMaker.personFirsts, lasts: NameMaker.personLasts, joined: " ")
    let managers = (0..<6).map { _ in names.next(&chance) }
    return (0..<count).map { index in
      let manager = index % managers.count
      return Rep(name: names.next(&chance), manager: managers[manager], regionalOffice: offices[manager / 2])
    }
  }
}

/// Draws the deals of a made-up company.
private struct DealMaker {
  let size: Pipeline.Size
  let accounts: [Pipeline.Account]
  let products: [Pipeline.Product]
  let reps: [Pipeline.Rep]
  var chance: Chance
  private let firstDay = BusinessDay(year: 2023, month: 1, day: 2)!

  init(
    size: Pipeline.Size, accounts: [Pipeline.Account], products: [Pipeline.Product], reps: [Pipeline.Rep],
    chance: Chance
  ) {
    self.size = size
    self.accounts = accounts
    self.products = products
    self.reps = reps
    self.chance = chance
  }

  mutating func deals() -> [Pipeline.Opportunity] {
    var taken: Set<String> = []
    return (0..<size.opportunities).map { index in
      var id = newID()
      while !taken.insert(id).inserted { id = newID() }
      // The first two deals hold business time open at both ends, so it lasts exactly `size.days`.
      let start = index == 0 ? 0 : index == 1 ? size.days - 1 : chance.index(below: size.days)
      return deal(id: id, start: start, prospecting: index > 1 && chance.share() < 0.057)
    }
  }

  private mutating func newID() -> String {
    let letters = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return String((0..<8).map { _ in chance.one(of: letters) })
  }

  private mutating func deal(id: String, start: Int, prospecting: Bool) -> Pipeline.Opportunity {
    // Squared shares lean on the head of the list: a few reps and accounts carry most of the deals.
    let rep = reps[lean(on: reps.count)]
    let product = products[lean(on: products.count)]
    let account = accounts[lean(on: accounts.count)].name
    // "WeirPro" is in no catalogue: somebody's import lost the space.
    let typed = product.name == "Weir Pro" ? "WeirPro" : product.name
    var deal = Pipeline.Opportunity(
      id: id, owner: rep.name, product: typed, account: account, stage: .prospecting, engaged: nil, closed: nil)
    let days = chance.share() < 0.4 ? 1 + chance.index(below: 20) : 21 + chance.index(below: 118)
    if !prospecting {
      deal.engaged = firstDay.later(by: start)
      deal.stage = .engaging
    }
    if !prospecting, start + days < size.days, chance.share() < 0.92 {
      deal.closed = deal.engaged?.later(by: days)
      deal.stage = chance.share() < 0.63 ? .won : .lost
      deal.closeValue = .integer(deal.stage == .won ? paid(for: product) : 0)
    } else if chance.share() < 0.68 {
      deal.account = nil
    }
    return deal
  }

  private mutating func lean(on count: Int) -> Int {
    let share = chance.share()
    return min(count - 1, Int(share * (0.4 + 0.6 * share) * Double(count)))
  }

  private mutating func paid(for product: Pipeline.Product) -> Int {
    let price = Double(product.salesPrice.integer ?? 0)
    let discount = chance.share() < 0.03 ? 0.5 : 0.85
    return Int(price * (discount + chance.share() * 0.3))
  }
}

/// Names from two lists, each pair at most once.
private struct NameMaker {
  static let accountFirsts = [
    "Aqua", "Beta", "Cobalt", "Delta", "Ember", "Fjord", "Gran", "Hydro", "Inter", "Juno", "Kilo", "Luma", "Mono",
    "Nord", "Omni", "Pluvi",
  ]
  static let accountLasts = ["tech", "zim", "soloin", "code", "plex", "ware", "ron", "fan", "dex", "konix", "mart"]
  static let personFirsts = [
    "Ada", "Bea", "Cem", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo", "Jun", "Kai", "Lea", "Milo", "Nia", "Otto",
  ]
  static let personLasts = ["Arnes", "Bolt", "Carr", "Dahl", "Ekker", "Fros", "Gant", "Holm", "Iver", "Jarl", "Koss"]

  let firsts: [String]
  let lasts: [String]
  let joined: String
  private var taken: Set<String> = []

  init(firsts: [String], lasts: [String], joined: String) {
    self.firsts = firsts
    self.lasts = lasts
    self.joined = joined
  }

  /// - Precondition: fewer names were drawn than there are pairs (165 or more).
  mutating func next(_ chance: inout Chance) -> String {
    precondition(taken.count < firsts.count * lasts.count, "every name is taken")
    while true {
      let name = chance.one(of: firsts) + joined + chance.one(of: lasts)
      if taken.insert(name).inserted { return name }
    }
  }
}
