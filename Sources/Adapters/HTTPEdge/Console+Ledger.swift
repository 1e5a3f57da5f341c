import Domain

/// What the ledger says of itself.
extension Console {
  func ledger(_ visitor: Visitor) async throws -> EdgeResponse {
    let status = try await call("ledger.status", visitor)
    let size = status["size"]?.integer.map { Words.number($0) } ?? Words.missing
    return respond(
      200, "Ledger", for: visitor, section: "/ledger",
      """
      <p class="lead">Every decision, approval and action is a leaf of an append-only log that a stranger can verify.</p>
      <dl class="facts wide">
      <div><dt>Entries</dt><dd>\(data(size))</dd></div>
      <div><dt>Verifier key</dt><dd><code>\(Words.exact(status["vkey"]))</code></dd></div>
      </dl>
      \(section("Latest checkpoint", "<pre class=\"code\">\(Words.exact(status["checkpoint"]))</pre>"))
      \(section("Verify it", """
      <p>Keep a checkpoint, and check later that the log still contains it:</p>
      <pre class="code">sluice ledger verify --since CHECKPOINT
      sluice ledger export --to DIR</pre>
      <p>Until a witness has signed a checkpoint too, the log is attested by this host alone.</p>
      """))
      """)
  }
}
