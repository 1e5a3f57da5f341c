import Domain
import Identity

/// What is known of a request before its body is read.
enum Admission: Sendable {
  /// Whatever its body says, this is the answer.
  case answered(EdgeResponse)
  /// - Parameter isKept: Whether the body can matter. Where it cannot, it is read and let go, so that the sender sees
  ///   no difference.
  case read(EdgeLoad.Door, isKept: Bool)
}

extension Edge {
  /// Whose body is worth its memory: only of senders whose address exists, and of people who are known.
  func admit(_ request: EdgeRequest) async -> Admission {
    if let hook = Self.hook(of: request) {
      // An address that does not exist is answered like a wrong signature, which takes the body's end to tell.
      return .read(.unidentified, isKept: backend.knows(hook: hook))
    }
    if let answer = await unasked(request) { return .answered(Self.guarded(answer)) }
    if request.path.hasPrefix("/api/") {
      return await apiUser(request) == nil
        ? .answered(Self.guarded(apiUnidentified())) : .read(.identified, isKept: true)
    }
    guard await console.isSignedIn(request) else {
      return .answered(await answer(request))
    }
    return .read(.identified, isKept: true)
  }

  /// A refusal in the form that its sender understands. Senders of webhooks are told by the status alone.
  /// - Parameter isGuarded: Whether it leaves as it is, without passing through `answer`.
  func refused(_ error: EdgeRefusal, to request: EdgeRequest, isGuarded: Bool = true) -> EdgeResponse {
    var response =
      if Self.hook(of: request) != nil {
        EdgeResponse(error.status)
      } else if request.path.hasPrefix("/api/") {
        refused(error.status, error)
      } else {
        EdgeResponse.text(error.status, "\(error.message) \(error.remedy) [\(error.code)]\n")
      }
    if error == .busy { response.headers.append(("Retry-After", "5")) }
    return isGuarded ? Self.guarded(response) : response
  }

  /// What follows "/hooks/"; nil for what is no such path.
  static func hook(of request: EdgeRequest) -> String? {
    request.path.hasPrefix("/hooks/") ? String(request.path.dropFirst("/hooks/".count)) : nil
  }
}
