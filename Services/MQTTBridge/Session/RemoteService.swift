// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Logging
import Observability
import ServiceKit

/// One remote broker as long as the service runs: the rights of its mappings, then a client for each direction that has mappings.
final class RemoteService: Service, CustomStringConvertible {
    /// What all remotes share.
    struct Shared: Sendable {
        let environment: ServiceEnvironment
        let bus: any Bus
        let authenticator: ThingAuthenticator
        let policy: IngestPolicy
        let isRateLimited: Bool
        let queuePercent: Int
        let metrics: BridgeMetrics
    }

    private let remote: Remote
    private let queuePercent: Int
    private let rights: [MappingRight]
    private let reading: (side: Inbound, client: RemoteClient)?
    private let sending: (side: Outbound, client: RemoteClient)?
    private let mappings: HealthCheck
    private let changes: AsyncStream<Void>

    var description: String { "remote \(remote.name)" }

    init(_ remote: Remote, _ shared: Shared) throws {
        self.remote = remote
        queuePercent = shared.queuePercent
        let environment = shared.environment
        var logger = environment.logger("remote")
        logger[metadataKey: "remote"] = "\(remote.name)"
        let metrics = shared.metrics.remote(remote.name)
        let (changes, change) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        self.changes = changes
        let right = { [logger] (name: String, channel: ChannelAddress, direction: ClientOptions.Purpose) in
            MappingRight(
                mapping: name, channel: channel, right: direction == .reading ? .publish : .subscribe,
                keyFile: remote.thingKeyFile, authenticator: shared.authenticator,
                refusals: metrics.rightsLostBy(direction), logger: logger, onChange: { change.yield() })
        }
        let incoming = remote.incoming.map { right($0.name, $0.channel, .reading) }
        let outgoing = remote.outgoing.map { right($0.name, $0.channel, .sending) }
        rights = incoming + outgoing
        let status = { [logger] (direction: ClientOptions.Purpose) in
            ConnectionStatus(
                direction: direction,
                health: environment.health.check(
                    "remote:\(remote.name):\(direction.rawValue)", initially: .degraded("not connected yet")),
                metrics: metrics, logger: logger)
        }
        let echoes = remote.version == .v311 && remote.feedsItself ? EchoMemory() : nil
        mappings = environment.health.check(
            "remote:\(remote.name):mappings", initially: .degraded("not allowed yet"))
        if incoming.isEmpty {
            reading = nil
        } else {
            let inbox = try ClientInbox()
            let side = Inbound(
                remote, rights: incoming, bus: shared.bus, policy: shared.policy, isRateLimited: shared.isRateLimited,
                echoes: echoes, metrics: metrics, status: status(.reading),
                subscriptions: environment.health.check("remote:\(remote.name):subscriptions"), inbox: inbox,
                clock: environment.clock, logger: logger)
            let options = ClientOptions(remote: remote, purpose: .reading)
            reading = (side, RemoteClient(options, inbox: inbox, delegate: side, logger: logger))
        }
        if outgoing.isEmpty {
            sending = nil
        } else {
            let inbox = try ClientInbox()
            let side = Outbound(
                remote, rights: outgoing, bus: shared.bus, echoes: echoes, metrics: metrics, status: status(.sending),
                inbox: inbox, clock: environment.clock, logger: logger)
            let options = ClientOptions(remote: remote, purpose: .sending)
            sending = (side, RemoteClient(options, inbox: inbox, delegate: side, logger: logger))
        }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown { await self.serve() }
    }

    private func serve() async {
        await withDiscardingTaskGroup { group in
            for right in rights { group.addTask { await right.run() } }
            var isStarted = false
            for await _ in changes {
                mappings.set(health())
                reading?.side.updateSubscriptions()
                // Before all are known, a message could be taken for one that nobody wants.
                if !isStarted, rights.allSatisfy({ $0.state != .unknown }) {
                    isStarted = true
                    reading?.client.start()
                    if let (side, client) = sending {
                        group.addTask {
                            client.start()
                            await side.run()
                            await client.stop()
                        }
                        group.addTask { await side.watch(percent: self.queuePercent) }
                    }
                }
            }
            if isStarted { await reading?.client.stop() }
        }
    }

    private func health() -> HealthState {
        var problems: [String] = []
        for right in rights {
            switch right.state {
            case .granted: continue
            case .unknown: problems.append("\(right.mapping): not known yet")
            case .refused(let error): problems.append("\(right.mapping): stopped, \(error.reason)")
            }
        }
        return problems.isEmpty ? .up : .degraded(problems.joined(separator: "; "))
    }
}
