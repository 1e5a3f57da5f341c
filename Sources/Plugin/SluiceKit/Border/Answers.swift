import CSluicePlugin

extension Failure {
  var status: sluice_status_t {
    switch kind {
    case .config: Int32(SLUICE_E_CONFIG)
    case .auth: Int32(SLUICE_E_AUTH)
    case .rateLimited: Int32(SLUICE_E_RATE_LIMITED)
    case .transient: Int32(SLUICE_E_TRANSIENT)
    case .permanent: Int32(SLUICE_E_PERMANENT)
    case .bug: Int32(SLUICE_E_BUG)
    }
  }

  /// What an error of a host call means when the connector did not catch it.
  /// - Returns: nil when the host has already stated it better: it knows why a request was refused or lost.
  init?(_ error: HostError) {
    switch error.reason {
    case .cancelled, .auth, .rateLimited, .transient, .permanent, .denied: return nil
    case .notGranted:
      self = .permanent("plugin.not_granted", "The manifest does not grant \(error.call).")
    case .tooLarge:
      self = .permanent("plugin.too_large", "What \(error.call) was given or should have brought exceeds a limit.")
    case .invalid, .wrongState, .unexpected:
      self.init(.bug, "plugin.host_call", "\(error.call) was not possible: \(error.reason).")
    }
  }
}

extension HostError {
  /// The class to return when the host has stated the reason.
  var status: sluice_status_t {
    switch reason {
    case .cancelled: Int32(SLUICE_E_CANCELLED)
    case .auth: Int32(SLUICE_E_AUTH)
    case .rateLimited: Int32(SLUICE_E_RATE_LIMITED)
    case .transient: Int32(SLUICE_E_TRANSIENT)
    case .permanent, .denied, .notGranted, .tooLarge: Int32(SLUICE_E_PERMANENT)
    case .invalid, .wrongState, .unexpected: Int32(SLUICE_E_BUG)
    }
  }
}

extension HostError.Reason {
  init(_ status: sluice_status_t) {
    self =
      switch Int(status) {
      case SLUICE_E_CANCELLED: .cancelled
      case SLUICE_E_DENIED: .denied
      case SLUICE_E_TOO_LARGE: .tooLarge
      case SLUICE_E_INVALID: .invalid
      case SLUICE_E_STATE: .wrongState
      case SLUICE_E_AUTH: .auth
      case SLUICE_E_RATE_LIMITED: .rateLimited
      case SLUICE_E_TRANSIENT: .transient
      case SLUICE_E_PERMANENT: .permanent
      default: .unexpected(status)
      }
  }
}

extension TableHost {
  /// Runs one entry of the plugin. No Swift error crosses the border: each becomes an error class with its reason.
  func answer(_ body: () throws -> Int32) -> Int32 {
    do {
      return try body()
    } catch let failure as Failure {
      return state(failure)
    } catch let error as HostError {
      return Failure(error).map(state) ?? error.status
    } catch let error as JSONError {
      return state(.transient("plugin.unreadable", "The upstream sent what is no JSON: \(error)."))
    } catch let error as JSONMismatch {
      return state(.transient("plugin.unreadable", "What the upstream sent is not as expected: \(error)."))
    } catch {
      return state(Failure(.bug, "plugin.error", "The plugin failed: \(error)."))
    }
  }

  private func state(_ failure: Failure) -> sluice_status_t {
    var retryAfterMs: Int64?
    if case .rateLimited(let ms) = failure.kind { retryAfterMs = ms }
    state(code: failure.code, message: failure.message, retryAfterMs: retryAfterMs)
    return failure.status
  }
}
