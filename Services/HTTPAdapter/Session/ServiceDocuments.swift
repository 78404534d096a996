// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Observability

/// What the adapter tells of itself: health, metrics, the description of its API.
struct ServiceDocuments: Sendable {
    enum Name: Sendable {
        case health
        case metrics
        case openAPI

        /// - Returns: nil for every other request target; the query is not looked at.
        init?(target: String) {
            // Nearly all targets are longer: publishes.
            guard target.utf8.count <= 64 else { return nil }
            switch target.prefix(while: { $0 != "?" }) {
            case "/health": self = .health
            case "/metrics": self = .metrics
            case "/openapi.json": self = .openAPI
            default: return nil
            }
        }
    }

    let health: HealthRegistry
    let metrics: MetricsRegistry

    func read(_ name: Name, on eventLoop: any EventLoop) -> EventLoopFuture<Answer.Document> {
        switch name {
        case .health:
            let health = health
            // A task, as checks are asynchronous; not on the way of messages.
            return eventLoop.makeFutureWithTask {
                let report = await health.report()
                return Answer.Document(
                    status: report.httpStatus, contentType: HealthReport.contentType,
                    body: ByteBuffer(bytes: report.json()))
            }
        case .metrics:
            return eventLoop.makeSucceededFuture(
                Answer.Document(
                    contentType: MetricsRegistry.contentType, body: ByteBuffer(string: metrics.exposition())))
        case .openAPI:
            return eventLoop.makeSucceededFuture(
                Answer.Document(contentType: "application/json", body: ByteBuffer(string: OpenAPIDocument.text)))
        }
    }
}
