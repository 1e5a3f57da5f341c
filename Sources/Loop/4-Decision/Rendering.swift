import Domain

/// Fills templates. Text from outside stays a value: it is capped, freed of control characters and quoted.
enum Rendering {
  /// Why an argument could not be filled, in words that follow "because".
  struct Refusal: Error, Equatable {
    let reason: String
  }

  static let quotedMax = 80
  static let exactMax = 200

  static func arguments(_ template: Template, _ situation: Situation) throws(Refusal) -> JSONValue {
    switch template {
    case .literal(let value): return value
    case .prose(let prose): return .string(text(prose, situation))
    case .exact(.dealVersionNumber): return .integer(try versionNumber(situation))
    case .exact(let placeholder): return .string(try exact(placeholder, situation))
    case .object(let members):
      var filled: [String: JSONValue] = [:]
      for name in members.keys.sorted() { filled[name] = try arguments(members[name]!, situation) }
      return .object(filled)
    case .array(let items):
      var filled: [JSONValue] = []
      for item in items { filled.append(try arguments(item, situation)) }
      return .array(filled)
    }
  }

  static func text(_ prose: Prose, _ situation: Situation) -> String {
    prose.parts.map { part in
      switch part {
      case .text(let text): text
      case .value(let placeholder): situation.value(of: placeholder).map(shown) ?? "(unknown)"
      }
    }.joined()
  }

  /// The value itself, or nothing: an argument is never shortened or cleaned into another one.
  private static func exact(_ placeholder: Placeholder, _ situation: Situation) throws(Refusal) -> String {
    guard let value = situation.value(of: placeholder) else {
      if placeholder == .ownerManager, let reason = situation.strangeManager { throw Refusal(reason: reason) }
      throw Refusal(reason: "{\(placeholder.name)} is not known")
    }
    let text = value.text
    guard !text.isEmpty, text.unicodeScalars.count <= exactMax, !text.unicodeScalars.contains(where: isControl) else {
      throw Refusal(
        reason: "{\(placeholder.name)} is empty, longer than \(exactMax) characters or holds control characters")
    }
    return text
  }

  /// For tools that want a version as a number.
  private static func versionNumber(_ situation: Situation) throws(Refusal) -> Int64 {
    let text = try exact(.dealVersionNumber, situation)
    guard let number = Int64(text), String(number) == text, (0...Judgement.centsMax).contains(number) else {
      throw Refusal(reason: "{\(Placeholder.dealVersionNumber.name)} is no number")
    }
    return number
  }

  private static func shown(_ value: Situation.Value) -> String {
    switch value {
    case .outside(let text): quoted(text)
    case .ours(let text): text
    }
  }

  /// Text from outside, between quotation marks that it cannot close.
  static func quoted(_ text: String) -> String {
    var kept = String.UnicodeScalarView()
    for scalar in text.unicodeScalars where !isControl(scalar) {
      guard kept.count < quotedMax else {
        kept.append("…")
        break
      }
      kept.append(scalar == "\"" ? "'" : scalar)
    }
    return "\"\(String(kept))\""
  }

  /// Line ends, controls, and what changes the direction or hides: a fixed list, so that it is the same everywhere.
  static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0...0x1F, 0x7F...0x9F, 0xAD, 0x61C, 0x180E, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF,
      0xFFF9...0xFFFB, 0xE0000...0xE007F:
      true
    default: false
    }
  }

  /// Cents as `4821.00`.
  static func money(_ cents: Int64) -> String {
    let (whole, rest) = cents.magnitude.quotientAndRemainder(dividingBy: 100)
    return "\(cents < 0 ? "-" : "")\(whole).\(rest < 10 ? "0" : "")\(rest)"
  }

  /// Parts per million as `0.238`.
  static func share(_ ppm: Int) -> String {
    let thousandths = String((ppm + 500) % 1_000_000 / 1_000)
    let zeros = String(repeating: "0", count: 3 - thousandths.utf8.count)
    return "\((ppm + 500) / 1_000_000).\(zeros)\(thousandths)"
  }

  /// Parts per million as `63.2`.
  static func percent(_ ppm: Int) -> String {
    let tenths = (ppm + 500) / 1_000
    return "\(tenths / 10).\(tenths % 10)"
  }
}

extension Situation {
  enum Value {
    /// Written by people in a source.
    case outside(String)
    /// Reckoned or written by Sluice.
    case ours(String)
    var text: String {
      switch self {
      case .outside(let text), .ours(let text): text
      }
    }
  }

  /// Why the owner's manager is nobody, when the source names one.
  var strangeManager: String? {
    guard manager == nil, let name = owner?.manager, !name.isEmpty else { return nil }
    return "the source names \(Rendering.quoted(name)) as the owner's manager, who is neither a rep nor named in "
      + "governance.yaml"
  }

  /// - Returns: nil when it is not known.
  func value(of placeholder: Placeholder) -> Value? {
    switch placeholder {
    case .dealID: deal.map { .outside($0.id) }
    case .dealVersion, .dealVersionNumber: deal.map { .outside($0.version) }
    case .signalSubject: .outside(signal.subject.id)
    case .accountID: account.map { .outside($0.id) }
    case .productID: product.map { .outside($0.id) }
    case .day: .ours(day.description)
    case .dayUS: .ours("\(day.civil.month)/\(day.civil.day)/\(day.civil.year)")
    case .ownerName: owner.map { .outside($0.name) }
    case .ownerManager: manager.map { .outside($0) }
    case .targetName: target.map { .outside($0.name) }
    case .productName: product.map { .outside($0.name) }
    case .alias: alias.map { .outside($0) }
    case .dealOwner: deal.map { .outside($0.ownerName) }
    case .dealProduct: deal.map { .outside($0.productText) }
    case .dealAccount: deal?.accountName.map { .outside($0) }
    case .dealEngagedOn: deal?.engagedOn.map { .ours($0.description) }
    case .dealStage: deal.map { .ours($0.stage.rawValue) }
    case .dealValue: deal?.valueCents.map { .ours(Rendering.money($0)) }
    case .dealAge: ageDays.map { .ours(String($0)) }
    case .accountName: account.map { .outside($0.name) }
    case .buyerName: buyer.map { .outside($0.name) }
    case .listPrice: product.map { .ours(Rendering.money($0.listPriceCents)) }
    case .ratePercent: rate.map { .ours(Rendering.percent($0.ratePpm)) }
    case .rateTrials: rate.map { .ours(String($0.trials)) }
    case .rateOpen: rate?.stillOpen.map { .ours(String($0)) }
    case .rateDays: rate?.withinDays.map { .ours(String($0)) }
    case .rateInterval:
      rate.map { .ours("\(Rendering.percent($0.lowPpm)) to \(Rendering.percent($0.highPpm))") }
    case .ownerOpenDeals: owner.map { .ours(String($0.openDealCount)) }
    case .targetOpenDeals: target.map { .ours(String($0.openDealCount)) }
    case .fact(let fact): signal.facts[fact.rawValue]?.integer.map { .ours(Self.shown($0, of: fact)) }
    }
  }

  private static func shown(_ value: Int64, of fact: Placeholder.Fact) -> String {
    if fact.isMoney { return Rendering.money(value) }
    guard fact.isMilli else { return String(value) }
    let tenths = (value + 50) / 100
    return "\(tenths / 10).\(tenths % 10)"
  }
}
