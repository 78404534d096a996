// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Devices with sessions and subscriptions that are kept, which all come back at once after the adapter was killed: how long until each is in again.
struct MQTTStorm {
    struct Outcome {
        /// Seconds from the crash to CONNACK, ascending.
        var seconds: [Double] = []
        /// CONNACKs that refused, and those that did not find a session.
        var refused = 0
        var forgotten = 0
        /// Connections that were cut off or not taken before they were accepted; each was tried again.
        var broken = 0
        var residentBytes = 0
    }

    /// Before a device tries again.
    private static let pause = Duration.milliseconds(20)
    private static let deadline = Duration.seconds(120)

    let server: MartletServer
    let count: Int

    func run() async throws -> Outcome {
        let connector = MQTTConnector(broker: server.broker, role: "storm", isClean: false)
        var first = try connector.open(count)
        try connector.subscribe(first, qualityOfService: 1)
        try await server.crash()
        let crash = ContinuousClock.now
        first.removeAll()
        var outcome = try comeBack(connector, since: crash)
        outcome.residentBytes = try server.broker.memory().residentBytes
        return outcome
    }

    private func comeBack(_ connector: MQTTConnector, since crash: ContinuousClock.Instant) throws -> Outcome {
        let poll = EventPoll()
        let input = MQTTConnection.Input()
        var outcome = Outcome()
        var connections = [MQTTConnection?](repeating: nil, count: count)
        var isGreeted = [Bool](repeating: false, count: count)
        var isIn = [Bool](repeating: false, count: count)
        var due: [(at: ContinuousClock.Instant, number: Int)] = (0..<count).map { (crash, $0) }
        while outcome.seconds.count < count {
            let now = ContinuousClock.now
            guard now - crash < Self.deadline else {
                throw BenchmarkFailure(description: "only \(outcome.seconds.count) of \(count) devices came back")
            }
            let ready = due.prefix { $0.at <= now }
            due.removeFirst(ready.count)
            for (_, number) in ready {
                guard let connection = try? connector.connect(number) else {
                    due.append((now + Self.pause, number))
                    continue
                }
                connections[number] = connection
                isGreeted[number] = false
                poll.add(connection.descriptor, number, [.read, .write])
            }
            poll.wait(5) { number, events in
                guard let connection = connections[number] else { return }
                if events.contains(.write), !isGreeted[number] {
                    isGreeted[number] = true
                    poll.change(connection.descriptor, number, .read)
                    let account = connector.broker.accounts[number % connector.broker.accounts.count]
                    let packet = MQTTPacket.connect("\(connector.role)-\(number)", account, isClean: false)
                    _ = packet.withUnsafeBytes { connection.send($0) }
                }
                connection.receive(input) { head, content in
                    guard head == MQTTPacket.connectAcknowledgement, content.count == 2, !isIn[number] else { return }
                    if content[1] != 0 { outcome.refused += 1 }
                    guard content[1] == 0 else { return }
                    if content[0] & 1 == 0 { outcome.forgotten += 1 }
                    isIn[number] = true
                    outcome.seconds.append((ContinuousClock.now - crash) / .seconds(1))
                }
                guard !connection.isOpen || isIn[number] else { return }
                poll.remove(connection.descriptor)
                guard !isIn[number] else { return }
                outcome.broken += 1
                connections[number] = nil
                due.append((ContinuousClock.now + Self.pause, number))
            }
        }
        outcome.seconds.sort()
        return outcome
    }
}
