// SPDX-License-Identifier: Apache-2.0
import Bus
import Foundation
import Messaging

extension Broker {
    func command(_ connection: Connection, _ frame: ControlFrame) {
        guard let role = connection.role else { return }
        guard let command = Wire.Command(rawValue: frame.extra) else {
            return connection.failed(frame.token, .notFound, "no command \(frame.extra)")
        }
        switch command {
        case .declareStream:
            guard role.operate else { return denyCommand(connection, frame.token, "declare streams") }
            declareStream(connection, frame)
        case .statistics:
            guard role.operate else { return denyCommand(connection, frame.token, "read the counters") }
            publishStatistics()
            connection.done(frame.token, json(statistics))
        case .listStreams:
            let names = streams.map(\.configuration.name).filter { role.operate || role.mayRead(stream: $0) }
            connection.done(frame.token, json(names))
        case .streamState, .consumerState, .deleteConsumer, .read:
            guard let reference = try? JSONDecoder().decode(Wire.StreamReference.self, from: Data(frame.body)) else {
                return connection.failed(frame.token, .invalidConfiguration, "not the JSON that is expected")
            }
            guard role.operate || role.mayRead(stream: reference.stream, consumer: reference.consumer) else {
                return denyCommand(connection, frame.token, "use the stream '\(reference.stream.prefix(64))'")
            }
            guard let stream = stream(named: reference.stream) else {
                return connection.failed(frame.token, .notFound, "no stream '\(reference.stream)'")
            }
            perform(command, connection, frame.token, stream, reference)
        }
    }

    private func denyCommand(_ connection: Connection, _ token: UInt32, _ what: String) {
        statistics.refuse("permission_denied")
        connection.failed(token, .permissionDenied, "the role '\(connection.name)' may not \(what)")
        logRefusal(connection, what, "may not")
    }

    private func perform(
        _ command: Wire.Command, _ connection: Connection, _ token: UInt32, _ stream: Stream,
        _ reference: Wire.StreamReference
    ) {
        switch command {
        case .streamState: connection.done(token, json(stream.state))
        case .read: read(connection, token, stream, reference)
        case .consumerState, .deleteConsumer:
            guard let name = reference.consumer, let consumer = stream.consumers[name] else {
                return connection.failed(token, .notFound, "no such consumer of '\(reference.stream)'")
            }
            if command == .consumerState {
                return connection.done(token, json(consumer.state(lastSequence: stream.log.lastSequence)))
            }
            if let earlier = consumer.reader {
                earlier.consumes[consumer.subscription] = nil
                earlier.failed(consumer.subscription, .notFound, "the consumer was deleted")
                markDirty(earlier)
                consumer.reader = nil
            }
            stream.consumers[name] = nil
            stream.isStructureUnsaved = true
            isRestless = true
            connection.done(token)
        case .declareStream, .listStreams, .statistics: break
        }
    }

    private func declareStream(_ connection: Connection, _ frame: ControlFrame) {
        guard let wanted = try? JSONDecoder().decode(StreamConfiguration.self, from: Data(frame.body)) else {
            return connection.failed(frame.token, .invalidConfiguration, "not the JSON that is expected")
        }
        do {
            let stream = try declare(wanted)
            connection.done(frame.token, json(stream.state))
        } catch let problem as StreamProblem {
            connection.failed(frame.token, .invalidConfiguration, problem.description)
        } catch {
            connection.failed(frame.token, .storageFailed, "\(error)")
        }
    }

    func json(_ value: some Encodable) -> Data {
        // Structs of strings, numbers and lists of them: encoding cannot fail.
        (try? JSONEncoder().encode(value)) ?? Data("{}".utf8)
    }
}
