package import Domain

/// The numbers of the rules, as data (`policies/thresholds.yaml`). Shares and factors are in thousandths.
package struct Thresholds: Sendable, Equatable {
  /// Closed deals of a product before any verdict on the age of its open ones.
  package var stallClosedMin = 30
  /// The percentile of ages at closing beyond which an open deal is stalled; 100: older than any that closed.
  package var stallPercent = 100
  /// Open deals of a rep against the median of the manager's reps that have any.
  package var loadFactorMilli = 1500
  package var loadClearMilli = 1200
  package var loadOpenMin = 30
  /// Won for less than this share of the list price.
  package var belowListMilli = 800
  package var streakLosses = 5
  /// Engagements of an account in the last days, against those in the days before them.
  package var heatWindowDays = 30
  package var heatBaseDays = 60
  package var heatUpMilli = 2000
  package var heatUpMin = 5
  package var heatDownMilli = 500
  package var heatDownMin = 10
  /// Days for which an account stays quiet after it was called heating or cooling.
  package var heatRestDays = 30
  /// An open deal's value has dropped when it lost at least this share.
  package var valueDropMilli = 100
  /// An open deal's expected close has slipped when it moved by at least these days.
  package var closeSlipDaysMin = 1
  /// Days of an age band, within which decisions compare deals. Decision reads it from the document.
  package var rateBandDays = 30

  package init() {}
}

extension Thresholds {
  package static let formatVersion = 1

  package init(_ document: SourceDocument) throws(DocumentError) {
    let root = DocumentReader(document)
    let keys: [(String, String, WritableKeyPath<Thresholds, Int>, ClosedRange<Int>)] = [
      ("stall", "closed_deals_min", \.stallClosedMin, 1...1_000_000), ("stall", "percent", \.stallPercent, 1...100),
      ("load", "factor_milli", \.loadFactorMilli, 1_000...100_000),
      ("load", "clear_milli", \.loadClearMilli, 1_000...100_000),
      ("load", "open_deals_min", \.loadOpenMin, 1...1_000_000),
      ("below_list", "share_milli", \.belowListMilli, 1...1_000),
      ("streak", "losses", \.streakLosses, 2...1_000),
      ("heat", "window_days", \.heatWindowDays, 1...365), ("heat", "base_days", \.heatBaseDays, 1...1_000),
      ("heat", "up_milli", \.heatUpMilli, 1_001...100_000), ("heat", "up_min", \.heatUpMin, 1...1_000_000),
      ("heat", "down_milli", \.heatDownMilli, 0...999), ("heat", "down_min", \.heatDownMin, 1...1_000_000),
      ("heat", "rest_days", \.heatRestDays, 1...1_000),
      ("value_drop", "share_milli", \.valueDropMilli, 1...1_000),
      ("close_slip", "days_min", \.closeSlipDaysMin, 1...1_000), ("rates", "band_days", \.rateBandDays, 1...365),
    ]
    self.init()
    try root.allow(["sluice", "learning"] + Set(keys.map(\.0)).sorted())
    _ = try root["sluice"].integer(in: Self.formatVersion...Self.formatVersion)
    for group in Set(keys.map(\.0)) where root[group].isPresent {
      try root[group].allow(keys.filter { $0.0 == group }.map(\.1))
    }
    for (group, key, path, range) in keys where root[group][key].isPresent {
      self[keyPath: path] = try root[group][key].integer(in: range)
    }
    guard loadClearMilli <= loadFactorMilli else {
      throw root["load"]["clear_milli"].error("more than factor_milli", allowed: "at most \(loadFactorMilli)")
    }
    try checkLearning(root["learning"])
  }

  /// What outcomes may suggest (`Learning` reads it): only inside these bounds, and only once a person says so.
  private func checkLearning(_ learning: DocumentReader) throws(DocumentError) {
    guard learning.isPresent else { return }
    try learning.allow([
      "enabled", "stall_percent_min", "stall_percent_max", "outcomes_min", "step_percent", "later_share_milli",
      "earlier_share_milli",
    ])
    _ = try learning["enabled"].bool()
    let least = try learning["stall_percent_min"].integer(in: 1...100)
    _ = try learning["stall_percent_max"].integer(in: least...100)
    if learning["outcomes_min"].isPresent { _ = try learning["outcomes_min"].integer(in: 10...1_000_000) }
    if learning["step_percent"].isPresent { _ = try learning["step_percent"].integer(in: 1...20) }
    let later = learning["later_share_milli"]
    let most = later.isPresent ? try later.integer(in: 1...999) : 500
    if learning["earlier_share_milli"].isPresent {
      _ = try learning["earlier_share_milli"].integer(in: 0...most)
    } else if most < 200 {
      throw later.error("\(most)", allowed: "at least earlier_share_milli, which is 200 when it is left out")
    }
  }
}
