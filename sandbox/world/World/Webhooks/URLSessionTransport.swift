internal import Foundation
internal import FoundationNetworking

/// Sends webhooks over HTTP. Redirects are answers, not followed.
package struct URLSessionTransport: WebhookTransport {
  private let session: URLSession

  package init(timeoutSeconds: Double = 5) {
    let configuration = URLSessionConfiguration.ephemeral
    configuration.timeoutIntervalForRequest = timeoutSeconds
    configuration.timeoutIntervalForResource = timeoutSeconds
    configuration.httpMaximumConnectionsPerHost = WebhookSender.concurrencyMax
    configuration.httpCookieStorage = nil
    session = URLSession(configuration: configuration, delegate: NoRedirects(), delegateQueue: nil)
  }

  package func post(_ body: [UInt8], headers: [String: String], to url: String) async throws -> Int {
    guard let url = URL(string: url) else { throw SetupError("'\(url)' is not a URL") }
    var request = URLRequest(url: url)
    request.httpMethod = "POST"
    request.httpBody = Data(body)
    for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
    let (_, response) = try await session.data(for: request)
    return (response as? HTTPURLResponse)?.statusCode ?? 0
  }
}

private final class NoRedirects: NSObject, URLSessionTaskDelegate {
  func urlSession(
    _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
    newRequest request: URLRequest, completionHandler: @escaping (URLRequest?) -> Void
  ) { completionHandler(nil) }
}
