// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import NIOCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Bus {
    /// Answers the requests on a subject until the task is cancelled or the bus is closed.
    ///
    /// The members of `queueGroup` share the requests. What cannot be decoded is answered with `malformed`; a ``Core/ServiceError`` that
    /// `handler` throws reaches the caller as it is, without its `detail`; any other error as `internalFailure`, and the log.
    ///
    /// - Parameters:
    ///   - subject: `rpc.<service>.<operation>`; may have wildcards, see ``RPC/Context/subject``.
    ///   - maximumConcurrentRequests: handlers at work at a time. Further requests wait in the subscription's buffer (policy: beyond its limit in
    ///     bytes those that come are dropped until the waiting ones are handled; it is logged, and their callers time out).
    ///   - ready: called each time the subscription is in force: once, and again after it had to be renewed.
    /// - Throws: when the subscription is refused, for example ``BusError/permissionDenied(_:)``.
    public func serve<Request: Decodable & Sendable, Response: Encodable & Sendable>(
        _ subject: String, queueGroup: String?, maximumConcurrentRequests: Int = 64, logger: Logger,
        ready: @Sendable () -> Void = {},
        handler: @escaping @Sendable (Request, RPC.Context) async throws -> Response
    ) async throws(BusError) {
        while !Task.isCancelled {
            let subscription = try await subscribe(subject, queueGroup: queueGroup)
            ready()
            do {
                try await answer(subscription, maximumConcurrentRequests, logger: logger, handler: handler)
                return
            } catch BusError.slowConsumer {
                logger.warning(
                    "requests were dropped: the handlers do not keep up", metadata: ["subject": "\(subject)"])
            } catch let error as BusError {
                throw error
            } catch {
                // Cancellation is all that is left.
                return
            }
        }
    }

    private func answer<Request: Decodable & Sendable, Response: Encodable & Sendable>(
        _ subscription: any BusSubscription, _ maximumConcurrentRequests: Int, logger: Logger,
        handler: @escaping @Sendable (Request, RPC.Context) async throws -> Response
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var running = 0
            for try await batch in subscription.batches {
                for message in batch {
                    guard let reply = message.reply else {
                        logger.debug("a request without a reply subject", metadata: ["subject": "\(message.subject)"])
                        continue
                    }
                    if running >= max(1, maximumConcurrentRequests) {
                        try await group.next()
                        running -= 1
                    }
                    running += 1
                    group.addTask {
                        let payload = await self.outcome(of: message, logger: logger, handler: handler)
                        await self.send(payload, to: reply, subject: message.subject, logger: logger)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// The answer's payload.
    private func outcome<Request: Decodable & Sendable, Response: Encodable & Sendable>(
        of message: BusMessage, logger: Logger,
        handler: @Sendable (Request, RPC.Context) async throws -> Response
    ) async -> ByteBuffer {
        do {
            let request: Request
            do {
                let bytes =
                    message.payload.readableBytes == 0 ? Data("{}".utf8) : Data(message.payload.readableBytesView)
                request = try JSONDecoder().decode(Request.self, from: bytes)
            } catch {
                throw ServiceError(.malformed, reason: "rpc-bad-request", "The request cannot be read: \(error)")
            }
            let response = try await handler(
                request, RPC.Context(subject: message.subject, headers: message.headers))
            return try ByteBuffer(bytes: JSONEncoder().encode(RPC.Success(result: response)))
        } catch {
            return refusal(serviceError(error), of: message.subject, logger: logger)
        }
    }

    private func serviceError(_ error: any Error) -> ServiceError {
        switch error {
        case let error as ServiceError: error
        case let error as BusError: ServiceError(error, calling: "a dependency")
        default:
            ServiceError(
                .internalFailure, reason: "internal", "Something went wrong inside.", detail: String(reflecting: error))
        }
    }

    private func refusal(_ error: ServiceError, of subject: String, logger: Logger) -> ByteBuffer {
        if error.kind == .internalFailure {
            logger.error(
                "a request failed",
                metadata: [
                    "subject": "\(subject)", "reason": "\(error.reason)", "error": "\(error.detail ?? error.message)",
                ])
        }
        do {
            return try ByteBuffer(bytes: JSONEncoder().encode(RPC.Refusal(error: RPC.Failure(error))))
        } catch {
            // Strings and integers always encode; should that change, the caller still gets a readable answer.
            return ByteBuffer(string: #"{"error":{"kind":"internalFailure","reason":"internal","message":""}}"#)
        }
    }

    private func send(_ payload: ByteBuffer, to reply: String, subject: String, logger: Logger) async {
        do {
            try await publish(BusMessage(subject: reply, payload: payload))
        } catch .payloadTooLarge(let limit) {
            let error = ServiceError(
                .internalFailure, reason: "rpc-answer-too-large", "The answer is too large.",
                detail: "\(payload.readableBytes) bytes, at most \(limit)")
            let refusal = refusal(error, of: subject, logger: logger)
            try? await publish(BusMessage(subject: reply, payload: refusal))
        } catch {
            // Whoever asked lost the same connection or times out.
            logger.debug("an answer was not sent", metadata: ["subject": "\(subject)", "error": "\(error)"])
        }
    }
}
