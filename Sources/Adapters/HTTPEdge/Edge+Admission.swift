import Domain

extension Edge {
  /// A refusal in the form that its sender understands. Senders of webhooks are told by the status alone.
  /// - Parameter isGuarded: Whether it leaves as it is, without passing through `answer`.
  func refused(_ error: EdgeRefusal, to request: EdgeRequest, isGuarded: Bool = true) -> EdgeResponse {
    let response =
      if Self.hook(of: request) != nil {
        EdgeResponse(error.status)
      } else if request.path.hasPrefix("/api/") {
        refused(error.status, error)
      } else {
        EdgeResponse.text(error.status, "\(error.message) \(error.remedy) [\(error.code)]\n")
      }
    return isGuarded ? Self.guarded(response) : response
  }

  /// What follows "/hooks/"; nil for what is no such path.
  static func hook(of request: EdgeRequest) -> String? {
    request.path.hasPrefix("/hooks/") ? String(request.path.dropFirst("/hooks/".count)) : nil
  }
}
