// SPDX-License-Identifier: Apache-2.0
import Core

/// One message on its way to a channel. Sending it again cannot store it twice: the idempotency key stays the same.
struct Publication: Sendable {
    /// The adapter remembers a key for two minutes (`Services/HTTPAdapter/README.md`); behind that a retry would be a second message.
    static let retryWindow: Duration = .seconds(100)

    let path: String
    let contentType: String
    let body: [UInt8]
    let idempotencyKey: String

    /// - Parameter channel: identifier or route, with a subtopic behind slashes where there is one.
    init(
        channel: String, subtopic: String? = nil, contentType: String, body: [UInt8],
        idempotencyKey: String = EventID.new().description
    ) {
        var path = "/channels/\(PercentEncoding.encode(channel))/messages"
        if let subtopic, !subtopic.isEmpty { path += "/\(PercentEncoding.encode(path: subtopic))" }
        self.path = path
        self.contentType = contentType
        self.body = body
        self.idempotencyKey = idempotencyKey
    }

    func request(key: String) -> APIRequest {
        var request = APIRequest(.post, path)
        request.headers = [
            ("Authorization", "Thing \(key)"), ("Content-Type", contentType),
            ("Idempotency-Key", "\"\(idempotencyKey)\""),
        ]
        request.body = body
        return request
    }

    struct Receipt: Equatable, Sendable {
        /// The message's number in the bus's stream.
        var sequence: String?
        /// An earlier attempt had been accepted already.
        var isReplayed: Bool
        /// How often it had to be sent again.
        var retries: Int
    }

    /// Sends until it is accepted or refused for good.
    ///
    /// - Parameters:
    ///   - retries: how often it may be sent again when the server is away or says that it cannot now.
    ///   - willRetry: told why, before each.
    /// - Throws: ``CommandFailure`` with what the last attempt met.
    func send(
        key: String, _ client: APIClient, retries: Int, willRetry: (CommandFailure) -> Void = { _ in }
    ) async throws -> Receipt {
        let end = ContinuousClock.now + Self.retryWindow
        var backOff = BackOff(base: .milliseconds(200))
        var attempt = 0
        while true {
            var retryAfter: Int?
            let failure: CommandFailure
            do {
                let response = try await client.send(request(key: key))
                if response.isSuccess {
                    return Receipt(
                        sequence: response.headers["martlet-sequence"],
                        isReplayed: response.headers["idempotency-replayed"] == "true", retries: attempt)
                }
                failure = response.failure
                retryAfter = response.retryAfterSeconds
            } catch let unreachable as CommandFailure {
                failure = unreachable
            }
            let pause = max(backOff.next(), .seconds(min(retryAfter ?? 0, 30)))
            guard failure.status == .unreachable, attempt < retries, ContinuousClock.now + pause < end else {
                throw failure
            }
            willRetry(failure)
            try await Task.sleep(for: pause)
            attempt += 1
        }
    }
}
