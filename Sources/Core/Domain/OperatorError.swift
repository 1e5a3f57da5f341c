// Domain: the nouns every room shares, the ports, and the shape of an error. It imports nothing of ours, does no I/O,
// reads no clock and draws no randomness.

/// An error written for an operator at 3 a.m.
///
/// The code is stable and never reused; `docs/errors.md` is generated from the codes. A message never carries a secret.
package protocol OperatorError: Error, CustomStringConvertible, Sendable {
  /// Dotted and stable, e.g. `fabric.frame_too_large`.
  var code: String { get }
  /// What happened and where, in one sentence.
  var message: String { get }
  /// What to do about it, in one sentence.
  var remedy: String { get }
}

extension OperatorError {
  package var description: String { "\(message) \(remedy) [\(code)]" }
}
