import CanonicalJSON
import ConnectorFabric
import Domain
import PluginHost

// D, by webhook: what a source makes of deliveries.
extension Check {
  static let delivered: [Check] = [
    Check(
      "deliveries", .standard, "ABI-7.2", "A delivery gives its records, and the same ones when it comes twice.",
      unless: Subject.hasNoDeliveries
    ) { stand in
      let live = try await stand.ready()
      for delivery in stand.subject.fixtures.deliveries {
        let first = try await stand.deliver(live, delivery).succeeded("The delivery \(delivery.id)")
        let again = try await stand.deliver(live, delivery).succeeded("The delivery \(delivery.id), again")
        guard first.records.count == delivery.records else {
          throw Fault(
            "The delivery \(delivery.id) gave \(first.records.count) records; the fixtures say \(delivery.records).")
        }
        guard first.records == again.records else {
          throw Fault("The delivery \(delivery.id) gave other records when it came twice.")
        }
        for record in first.records where !stand.streams.contains(record.stream) {
          throw Fault(
            "The delivery \(delivery.id) gave a record of \(record.stream), which the manifest does not have.")
        }
      }
      return .fine
    },
    Check(
      "delivery-garbage", .hardened, "ABI-7.2",
      "A body that is none is refused with a class; the next delivery is taken.",
      unless: Subject.hasNoDeliveries
    ) { stand in
      let live = try await stand.ready()
      var chance = stand.chances()
      let good = stand.subject.fixtures.deliveries[0]
      let bodies = [
        [], [0xFF, 0xFE, 0x00], Array("{".utf8), Array("[]".utf8), Array("{}".utf8), Array("null".utf8),
        chance.bytes(4096), Array(good.body.dropLast()),
      ]
      for body in bodies {
        let wrong = Fixtures.Delivery(id: good.id, headers: good.headers, body: body, records: 0)
        let observed = try await stand.deliver(live, wrong).alive("A delivery of \(body.count) bytes of nonsense")
        // What is no JSON where JSON is meant is no delivery of another kind, which may be passed over.
        let mayPass = (try? JSONValue(parsing: body)) != nil || (try? JSONValue(parsing: good.body)) == nil
        let isTyped = observed.status.map(OperationResult.Status.typed.contains) == true
        guard isTyped || (mayPass && observed.isOK) else {
          throw Fault("A delivery of \(body.count) bytes of nonsense ended with \(observed.ending).")
        }
        guard observed.records.isEmpty else {
          throw Fault("A delivery of \(body.count) bytes of nonsense gave records.")
        }
      }
      try await stand.deliver(live, good).succeeded("The delivery after them")
      return .fine
    },
  ]
}

extension Subject {
  static let takesNoWebhooks: @Sendable (Subject) -> String? = { subject in
    guard subject.isSource else { return "It is an executor." }
    return subject.manifest.webhook == nil ? "It takes no webhooks." : nil
  }
  static let hasNoDeliveries: @Sendable (Subject) -> String? = { subject in
    guard subject.fixtures.deliveries.isEmpty else { return nil }
    return takesNoWebhooks(subject) ?? "The fixtures have no deliveries: see `webhook-tried`."
  }
}
