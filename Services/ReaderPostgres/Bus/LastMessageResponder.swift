// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging
import NIOCore
import Observability
import ServiceKit

/// Answers adapters that are asked for a resource's last message. Any number of instances share them as the queue group `reader-postgres`.
struct LastMessageResponder: Service, CustomStringConvertible {
    private static let queueGroup = "reader-postgres"

    let description = "last messages"
    let bus: any Bus
    let store: any MessageStore
    /// As many as there are connections to the database.
    let maximumConcurrentRequests: Int
    let metrics: LastMessageMetrics
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var backOff = BackOff()
            while !Task.isCancelled {
                do throws(BusError) {
                    try await serve()
                    return
                } catch {
                    logger.warning("questions for last messages are not heard", metadata: [LogKey.error: "\(error)"])
                    try? await Task.sleep(for: backOff.next())
                }
            }
        }
    }

    private func serve() async throws(BusError) {
        try await bus.serve(
            Subjects.lastMessage, queueGroup: Self.queueGroup, maximumConcurrentRequests: maximumConcurrentRequests,
            logger: logger
        ) { (request: LastMessageRequest, _) async throws -> LastMessageResponse in
            do throws(ServiceError) {
                let response = try await answer(request)
                metrics.count(response.message == nil ? "none" : "found")
                return response
            } catch {
                metrics.count(error.reason)
                throw error
            }
        }
    }

    private func answer(_ request: LastMessageRequest) async throws(ServiceError) -> LastMessageResponse {
        let offset = request.offset ?? 0
        guard offset >= 0 else {
            throw ServiceError(.malformed, reason: "invalid-offset", "offset must not be negative")
        }
        guard
            let message = try await store.lastMessage(channel: request.channel, subtopic: request.subtopic ?? ""),
            let sequence = UInt64(exactly: message.sequence)
        else { return LastMessageResponse(message: nil) }
        let bytes = message.payload.readableBytesView
        return LastMessageResponse(
            message: LastMessageResponse.Message(
                sequence: sequence, created: message.created, contentType: message.contentType,
                payloadBytes: bytes.count,
                payload: Data(bytes.dropFirst(offset).prefix(LastMessageRequest.maximumPartBytes))))
    }
}
