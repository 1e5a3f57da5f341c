// ConnectorFabric: what a plugin may do (manifests, requests, credits, throttles) and how its workers are kept running.
// Comes in: manifests, frames' contents, times. Goes out: decisions for the host. It never starts, sends or stores.

package import Domain

/// A plugin's whole authority, as reviewed text: what is not declared here is refused.
package struct Manifest: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable { case source, executor }
  /// What a source promises of its records: `replayable` ones can be had again from any checkpoint.
  package enum Delivery: String, Sendable, CaseIterable {
    /// The upstream gives a record again as often as it is asked.
    case replayable
    /// The upstream forgets what it is told to: it is told only of what is durable here.
    case pruneOnAck = "prune_on_ack"
  }
  package enum EffectClass: String, Sendable, CaseIterable {
    /// Only reads.
    case read
    /// Prepares something that a person sends or applies.
    case draft
    /// Asks or tells somebody inside the company.
    case notify
    /// Changes a record.
    case write
  }

  package struct Library: Sendable, Equatable {
    package let file: String
    package let sha256: Digest
    package let abiMajor: Int
  }
  package struct Endpoint: Sendable, Equatable {
    package let name: String
    package let base: EndpointBase
  }
  package struct Slot: Sendable, Equatable {
    package let name: String
    package let scheme: SlotScheme
    package let endpoint: String
  }
  package struct Request: Sendable, Equatable {
    package enum Effect: String, Sendable, CaseIterable {
      case read
      /// Lets the upstream forget what a pull brought, once that is durable.
      case ack
      case write
    }
    package enum Precondition: String, Sendable, CaseIterable { case ifMatch = "if_match" }
    /// How the body of a write says its argument.
    package enum Body: String, Sendable, CaseIterable { case json, form }
    package let id: String
    package let endpoint: String
    package let method: String
    package let path: PathTemplate
    package let slot: String?
    package let effect: Effect
    /// Names that its query may have. A write without them has no query; a read without them may have any.
    package let query: [String]
    /// Headers that the plugin may set besides `accept` and `content-type`, in lower case.
    package let headers: [String]
    /// Where the host puts the permit's idempotency key; for writes.
    package let idempotencyHeader: String?
    /// How the host names the version that the permit is for; for writes.
    package let precondition: Precondition?
    package let body: Body
  }
  package struct Stream: Sendable, Equatable {
    package let name: StreamName
    package let delivery: Delivery
    /// The order in which streams are pulled: as listed.
    package let order: Int
  }
  package struct Webhook: Sendable, Equatable {
    /// A name in `WebhookScheme.all`.
    package let scheme: String
    package let proof: WebhookProof
    package let id: DeliveryName
    package let slot: String
    /// 0 where the scheme signs no time.
    package let toleranceMs: Int
    package let bodyBytesMax: Int
    /// What the plugin sees of a delivery's request besides its body.
    package let kept: Kept
    /// Questions of senders that the host answers; the first that is asked.
    package let challenges: [Challenge]

    package struct Kept: Sendable, Equatable {
      /// The methods by which deliveries come, for a plugin that is told which; empty: POST, and it is not told.
      package var methods: [String] = []
      /// In lower case.
      package var headers: [String] = []
      package var query: [String] = []
    }
  }
  package struct Limits: Sendable, Equatable {
    package var memoryBytes = 256 << 20
    /// Of each operation; 0: unlimited.
    package var cpuSeconds = 0
    package var threads = 0
    /// Open at one time, the channel and the error pipe among them.
    package var files = 64
    package var operationTimeoutMs = 60_000
    package var graceMs = 2_000
    package var recordBytesMax = 256 << 10
    package var windowRecords = 2_000
    package var windowBytes = 4 << 20
    package var requestsPerSecond = 50
    package var requestBurst = 50
    package var concurrency = 4
    package var responseBytesMax = 32 << 20
  }
  package struct Action: Sendable, Equatable {
    package let name: String
    package let summary: String
    package let effect: EffectClass
    /// JSON Schema of the arguments.
    package let input: JSONValue
    /// The write requests it may send: request id and how often.
    package let writes: [Write]
    /// The action that takes it back, when there is one.
    package let compensation: String?
    /// How long after a deadline the upstream may still apply what was sent.
    package let settleMs: Int
    /// What one call costs, in cents.
    package let costCents: Int

    package struct Write: Sendable, Equatable {
      package let request: String
      package let countMax: Int
      /// For each `{name}` of the request's path: the argument it must equal.
      package let path: [String: String]
      /// The argument that the body must say; without one the body is empty.
      package let body: String?
    }
  }

  package let name: String
  package let version: String
  package let summary: String
  package let kind: Kind
  package let library: Library
  package let endpoints: [Endpoint]
  package internal(set) var slots: [Slot]
  package var requests: [Request]
  package let streams: [Stream]
  package let webhook: Webhook?
  package var limits: Limits
  /// When a source is pulled by itself; nil when it only receives.
  package let schedule: PullSchedule?
  package let actions: [Action]
  /// What an instance's configuration may be.
  package let config: ArgumentSchema
  /// How records become entities; read by Perception.
  package let mapping: JSONValue
  /// Checks of the conformance kit that the author leaves out, and why.
  package let skippedChecks: [String: String]

  package func endpoint(_ name: String) -> Endpoint? { endpoints.first { $0.name == name } }
  /// Every slot that may hold a secret: those of requests and those of the webhook.
  package var slotNames: [String] {
    let names = slots.map(\.name)
    let received = [webhook?.slot].compactMap(\.self) + (webhook?.challenges ?? []).compactMap(\.token?.slot)
    return received.reduce(into: names) { if !$0.contains($1) { $0.append($1) } }
  }
  package func slot(_ name: String) -> Slot? { slots.first { $0.name == name } }
  /// The same with every credential a bearer's: where what a scheme makes of a secret does not matter, as in a rehearsal.
  package var withBearerSlots: Manifest {
    var other = self
    other.slots = slots.map { Slot(name: $0.name, scheme: .bearer, endpoint: $0.endpoint) }
    return other
  }
  package func action(_ name: String) -> Action? { actions.first { $0.name == name } }
  package func request(_ id: String) -> Request? { requests.first { $0.id == id } }
}
