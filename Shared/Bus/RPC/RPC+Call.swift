// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Bus {
    /// Calls an operation of another service and waits for its answer.
    ///
    /// - Parameters:
    ///   - subject: `rpc.<service>.<operation>`.
    ///   - request: sent as JSON.
    ///   - timeout: for the whole exchange. A cancelled task stops waiting.
    ///   - headers: the caller's trace context, for example.
    /// - Throws: what the service refused with, or `unavailable` when it could not be asked (reasons `bus-disconnected`, `bus-timeout`,
    ///   `bus-no-responders`, `bus-overloaded`): the operation may have been carried out all the same, unless it was `bus-no-responders`.
    public func call<Response: Decodable>(
        _ subject: String, _ request: some Encodable, returning: Response.Type = Response.self,
        timeout: Duration = .seconds(5), headers: BusHeaders = BusHeaders()
    ) async throws(ServiceError) -> Response {
        let payload: ByteBuffer
        do {
            payload = try ByteBuffer(bytes: JSONEncoder().encode(request))
        } catch {
            throw ServiceError(
                .internalFailure, reason: "rpc-unencodable-request", "An internal request could not be encoded.",
                detail: "\(subject): \(error)")
        }
        let answer: BusMessage
        do {
            answer = try await self.request(
                BusMessage(subject: subject, headers: headers, payload: payload), timeout: timeout)
        } catch {
            throw ServiceError(error, calling: subject)
        }
        let decoded: RPC.Answer<Response>
        do {
            decoded = try JSONDecoder().decode(RPC.Answer<Response>.self, from: Data(answer.payload.readableBytesView))
        } catch {
            throw ServiceError(
                .internalFailure, reason: "rpc-bad-answer", "An internal service gave an answer that cannot be read.",
                detail: "\(subject): \(error)")
        }
        if let failure = decoded.error { throw failure.error }
        guard let result = decoded.result else {
            throw ServiceError(
                .internalFailure, reason: "rpc-bad-answer", "An internal service gave an answer that cannot be read.",
                detail: "\(subject): neither result nor error")
        }
        return result
    }

    /// Calls an operation that takes no parameters.
    public func call<Response: Decodable>(
        _ subject: String, returning: Response.Type = Response.self, timeout: Duration = .seconds(5),
        headers: BusHeaders = BusHeaders()
    ) async throws(ServiceError) -> Response {
        try await call(subject, RPC.Empty(), returning: Response.self, timeout: timeout, headers: headers)
    }
}

extension ServiceError {
    /// What a failure of the bus means to who asked for something that needs it.
    public init(_ error: BusError, calling subject: String) {
        let away = "A service that is needed for this cannot be reached now."
        switch error {
        case .disconnected, .closed:
            self.init(.unavailable, reason: "bus-disconnected", away, detail: subject, retryAfterSeconds: 1)
        case .timeout:
            self.init(.unavailable, reason: "bus-timeout", away, detail: subject, retryAfterSeconds: 1)
        case .noResponders:
            self.init(.unavailable, reason: "bus-no-responders", away, detail: subject, retryAfterSeconds: 1)
        case .overloaded, .slowConsumer:
            self.init(.unavailable, reason: "bus-overloaded", away, detail: subject, retryAfterSeconds: 1)
        case .budgetSpent(let seconds):
            self.init(
                .unavailable, reason: "bus-budget-spent", "The disk space for messages is spent.", detail: subject,
                retryAfterSeconds: seconds)
        case .storageFailed(let reason):
            self.init(
                .unavailable, reason: "bus-storage-failed", "Messages cannot be stored now.",
                detail: "\(subject): \(reason)", retryAfterSeconds: 5)
        case .payloadTooLarge(let limit):
            self.init(.payloadTooLarge, reason: "payload-too-large", "At most \(limit) bytes.", detail: subject)
        case .invalidSubject, .permissionDenied, .notCaptured, .takenOver, .notFound, .invalidConfiguration,
            .protocolViolation:
            self.init(
                .internalFailure, reason: "bus-refused", "An internal request was refused.",
                detail: "\(subject): \(error)")
        }
    }
}
