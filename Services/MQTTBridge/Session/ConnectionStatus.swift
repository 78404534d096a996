// SPDX-License-Identifier: Apache-2.0
import Logging
import Observability

/// Tells the log, the metrics and `/health` how a connection is. Used on its client's thread only, apart from the health check.
struct ConnectionStatus: Sendable {
    let direction: ClientOptions.Purpose
    let health: HealthCheck
    let metrics: RemoteMetrics
    let logger: Logger

    func changed(_ state: RemoteState) {
        let before = health.state
        let text = direction == .reading ? "its messages wait there" : "what goes there waits in the stream"
        switch state {
        case .connected:
            metrics.connectsBy(direction).increment()
            metrics.connectedBy(direction).set(1)
            health.set(.up)
            logger.info("connected to the remote broker", metadata: ["direction": "\(direction.rawValue)"])
        case .away(let reason):
            metrics.connectedBy(direction).set(0)
            health.set(.degraded("the remote broker is away, \(text): \(reason)"))
            if health.state != before {
                logger.warning(
                    "no connection to the remote broker; trying again",
                    metadata: ["direction": "\(direction.rawValue)", LogKey.reason: "\(reason)"])
            }
        case .refused(let reason):
            metrics.connectedBy(direction).set(0)
            health.set(.down("the remote broker does not let the bridge in, \(text): \(reason)"))
            if health.state != before {
                logger.error(
                    "the remote broker does not let the bridge in; trying again",
                    metadata: ["direction": "\(direction.rawValue)", LogKey.reason: "\(reason)"])
            }
        }
    }
}
