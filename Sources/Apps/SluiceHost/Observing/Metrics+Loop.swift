import CanonicalJSON
import Domain

extension Metrics {
  /// Counts what an applied entry says of the loop: signals by kind, proposals and verdicts by what they came to, answers.
  func count(_ entry: Entry, of tenant: TenantID) throws {
    func add(_ name: String, by label: String, _ values: [String]) {
      for (value, same) in Dictionary(grouping: values, by: \.self) {
        self.add(name, same.count, [("tenant", tenant.rawValue), (label, value)])
      }
    }
    switch entry.kind {
    case .signals:
      add("sluice_signals_total", by: "kind", try body(entry, as: SignalSet.self).signals.map(\.kind))
    case .proposals:
      add("sluice_proposals_total", by: "kind", try body(entry, as: ProposalSet.self).proposals.map(\.kind.rawValue))
    case .verdicts:
      add("sluice_verdicts_total", by: "outcome", try body(entry, as: VerdictSet.self).verdicts.map(\.outcome.rawValue))
    case .choice:
      add("sluice_choices_total", by: "answer", [try body(entry, as: Choice.self).answer.rawValue])
    case .intake, .delivery, .activation, .order, .tick, .effectStarted, .receipt, .epoch: break
    }
  }

  private func body<Body: Decodable>(_ entry: Entry, as _: Body.Type) throws -> Body {
    try JSONValue(parsing: entry.body).decode()
  }
}
