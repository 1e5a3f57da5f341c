import CanonicalJSON
import Cryptography
package import Domain

/// A thresholds document that outcomes call for: written down, proposed, and never activated by itself.
package struct ThresholdSuggestion: Codable, Equatable, Sendable {
  /// The file whose document it would replace.
  package let name: String
  package let day: BusinessDay
  package let percentNow: Int
  package let percentSuggested: Int
  /// Deals that were flagged as stalled and won all the same.
  package let falseAlarms: Int
  package let flaggedAndClosed: Int
  /// SHA-256 of the canonical form of each document.
  package let hashNow: Digest
  package let hashSuggested: Digest
  package let document: JSONValue

  enum CodingKeys: String, CodingKey {
    case name, day, document
    case percentNow = "percent_now"
    case percentSuggested = "percent_suggested"
    case falseAlarms = "false_alarms"
    case flaggedAndClosed = "flagged_and_closed"
    case hashNow = "hash_now"
    case hashSuggested = "hash_suggested"
  }

  init(_ rule: LearningRule, percent: Int, falseAlarms: Int, flaggedAndClosed: Int, day: BusinessDay) throws {
    var members = rule.document.object ?? [:]
    var stall = members["stall"]?.object ?? [:]
    stall["percent"] = .integer(Int64(percent))
    members["stall"] = .object(stall)
    name = rule.name
    self.day = day
    percentNow = rule.percent
    percentSuggested = percent
    self.falseAlarms = falseAlarms
    self.flaggedAndClosed = flaggedAndClosed
    document = .object(members)
    hashNow = SHA256.digest(rule.document.canonicalBytes)
    hashSuggested = SHA256.digest(document.canonicalBytes)
  }

  /// For the day's set: advice to a person, with the exact numbers and the document's hash, and no call.
  package var proposal: Proposal {
    Proposal(
      id: StableID.of("proposal", ["learning", "thresholds/\(name)", day.description, hashSuggested.hex]), day: day,
      kind: .escalate, playbook: "learning", subject: Subject(type: "thresholds", id: name), account: nil, owner: nil,
      approver: nil, call: nil, signals: [], evidence: [], confidence: nil, expectedValueCents: 0,
      uncertain: [
        "Of \(flaggedAndClosed) deals that were flagged as stalled and closed since, \(falseAlarms) were won.",
        "What other deals would have been flagged under the new number is not known.",
      ],
      stopReason:
        "Outcomes call for `stall.percent` \(percentSuggested) instead of \(percentNow); only an operator can activate "
        + "the document with SHA-256 \(hashSuggested.hex).")
  }
}
